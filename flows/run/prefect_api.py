"""Which Prefect API a command speaks to: the server that is named, or a temporary one of the workspace."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from components.core.errors import TandemError
from flows.run.run_lock import mark

START_SECONDS = 120
HOME, ADDRESS = "PREFECT_HOME", "PREFECT_API_URL"


def use_prefect_of(workspace: Path) -> None:
    """Keep the temporary API's database in the workspace, in a folder that the API needs to find there."""
    home = _home(workspace)
    home.mkdir(parents=True, exist_ok=True)
    os.environ[HOME] = str(home)


def find_prefect() -> None:
    """Raise a message where PREFECT_API_URL names a server that does not answer."""
    address = os.environ.get(ADDRESS)
    if address is None:
        return
    fault = _fault()
    if fault is not None:
        raise TandemError(
            f"Prefect does not answer at {address}: {fault}. "
            "Start it, or unset PREFECT_API_URL: a run then has a temporary one of its own."
        )


@contextmanager
def prefect_api(workspace: Path) -> Iterator[Callable[[], None]]:
    """Have a Prefect API until the block ends; call what it gives before the API is asked anything.

    Where no server is named, a temporary one starts beside what the block imports meanwhile. Prefect would start one
    too, but only when all is imported, and would import the server's code into this process as well.
    Raises TandemError, when called, where it does not answer.
    """
    if ADDRESS in os.environ or os.environ.get(HOME) != str(_home(workspace)):
        yield find_prefect
        return
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    log = _home(workspace) / "server.log"
    with log.open("w") as file:
        server = subprocess.Popen(
            [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port),
             "--no-ui", "--no-scheduler", "--no-late-runs"],
            stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT, env=os.environ | mark(workspace),
        )  # fmt: skip
    os.environ[ADDRESS] = f"http://127.0.0.1:{port}/api"
    try:
        yield lambda: _wait(server, log)
    finally:
        del os.environ[ADDRESS]
        server.terminate()
        server.wait()


def _home(workspace: Path) -> Path:
    return (workspace / ".tandem" / "prefect").resolve()


def _fault() -> Exception | None:
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        return client.api_healthcheck()


def _wait(server: "subprocess.Popen[bytes]", log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while _fault() is not None:
        if server.poll() is not None or time.monotonic() > end:
            raise TandemError(f"Prefect's temporary API did not start:\n{log.read_text()[-2000:]}")
        time.sleep(0.05)
