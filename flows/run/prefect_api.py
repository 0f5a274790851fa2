"""Choose the Prefect API that a command reports to: the server that is named, or a temporary one of the workspace."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from components.core.distributed import find_free_port
from components.core.errors import TandemError
from flows.run.run_lock import mark_environment

START_SECONDS = 120
HOME, ADDRESS = "PREFECT_HOME", "PREFECT_API_URL"


def use_prefect_of(workspace: Path) -> None:
    """Keep the temporary API's database in the workspace."""
    home = _find_home(workspace)
    home.mkdir(parents=True, exist_ok=True)  # the API does not make it, and fails without it
    os.environ[HOME] = str(home)


def find_prefect() -> None:
    """Raise TandemError if PREFECT_API_URL names a server that does not answer."""
    address = os.environ.get(ADDRESS)
    if address is None:
        return
    error = _check_health()
    if error is not None:
        raise TandemError(
            f"Prefect does not answer at {address}: {error}. "
            "Start it, or unset PREFECT_API_URL: a run then has a temporary one of its own."
        )


@contextmanager
def prefect_api(workspace: Path) -> Iterator[Callable[[], None]]:
    """Yield a function that waits until the Prefect API answers, which stays until the block ends.

    If no server is named, a temporary one starts while the block imports. The function raises TandemError if the API
    does not answer.
    """
    if ADDRESS in os.environ or os.environ.get(HOME) != str(_find_home(workspace)):
        yield find_prefect
        return
    port = find_free_port()
    # Prefect would start one itself, but only when all is imported, and would import the server's code into this process
    # too: a night without changes took 12.5 s on two cores, and takes 8.1 s.
    log = _find_home(workspace) / "server.log"
    with log.open("w") as file:
        server = subprocess.Popen(
            [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port),
             "--no-ui", "--no-scheduler", "--no-late-runs"],
            stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT, env=os.environ | mark_environment(workspace),
        )  # fmt: skip
    os.environ[ADDRESS] = f"http://127.0.0.1:{port}/api"
    try:
        yield lambda: _wait_until_ready(server, log)
    finally:
        del os.environ[
            ADDRESS
        ]  # else the next run of this process takes the dead server for one that a user named
        server.terminate()
        server.wait()


def _find_home(workspace: Path) -> Path:
    return (workspace / ".tandem" / "prefect").resolve()


def _check_health() -> Exception | None:
    # Imported here: Prefect takes long to import, and every command of `tandem` imports this module.
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        return client.api_healthcheck()


def _wait_until_ready(server: "subprocess.Popen[bytes]", log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while _check_health() is not None:
        if server.poll() is not None or time.monotonic() > end:
            raise TandemError(f"Prefect's temporary API did not start:\n{log.read_text()[-2000:]}")
        time.sleep(0.05)
