"""Two machines, as near as one comes to them: torchrun's agents on two local addresses."""

import os
import subprocess
import sys
from pathlib import Path

from tests.servers import free_port

PROJECT = Path(__file__).parents[1]
ADDRESSES = ("127.0.0.1", "127.0.0.2")


def torchrun(tracking: str, *command: object) -> None:
    """Run a module's stage on both at once, one process each.

    Raises AssertionError with what was told where one fails; the other is ended then.
    """
    port = free_port()
    agents = [
        subprocess.Popen(
            [
                sys.executable, "-m", "torch.distributed.run", "--nnodes", "2", "--nproc-per-node", "1",
                "--rdzv-backend", "c10d", "--rdzv-endpoint", f"{ADDRESSES[0]}:{port}", "--rdzv-id", str(port),
                "--local-addr", address, "-m", *map(str, command),
            ],
            cwd=PROJECT, env=os.environ | {"MLFLOW_TRACKING_URI": tracking, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )
        for address in ADDRESSES
    ]  # fmt: skip
    for agent in agents:
        told = agent.communicate()[1]
        if agent.returncode:
            for other in agents:
                other.terminate()
        assert agent.returncode == 0, told
