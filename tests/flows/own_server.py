"""Real servers for tests, which may be killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx


class Server:
    """A real server in a process of its own, that can be killed and started again at the same address."""

    def __init__(self, command: list[str], folder: Path, health: str) -> None:
        self.command, self.folder, self.health = command, folder, health

    def start(self) -> None:
        self.process = subprocess.Popen(
            self.command, cwd=self.folder, start_new_session=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env={name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "MLFLOW_"))}
            | {"PREFECT_HOME": str(self.folder / "prefect"), "PREFECT_SERVER_ANALYTICS_ENABLED": "false"},
        )  # fmt: skip
        for _ in range(600):
            try:
                if httpx.get(self.health, timeout=2).is_success:
                    return
            except httpx.HTTPError:
                assert self.process.poll() is None, "the server ended"
            time.sleep(0.2)
        raise AssertionError(f"{self.health} never answered")

    def kill(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def prefect_server(folder: Path, port: int) -> Server:
    """A Prefect server with all its services, and its database in a folder."""
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    return Server(command, folder, f"http://127.0.0.1:{port}/api/health")
