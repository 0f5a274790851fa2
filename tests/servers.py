"""Servers that tests start themselves, each a process of its own that may be killed, and a wire that can be cut."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx

START_SECONDS, RESTART_SECONDS = 180, 120
S3_KEYS = {
    "AWS_ACCESS_KEY_ID": "tandem", "AWS_SECRET_ACCESS_KEY": "tandem-secret", "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}  # fmt: skip


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    return port


@contextmanager
def running(module: str, *arguments: object, health: str, log: Path, **environment: str) -> Iterator[None]:
    """Run `python -m module` from when its health address answers until the block ends.

    Raises RuntimeError with what it printed where it does not come up.
    """
    with log.open("w") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *map(str, arguments)],
            env=os.environ | environment, stdout=stream, stderr=subprocess.STDOUT, cwd=log.parent,
            start_new_session=True,
        )  # fmt: skip
    try:
        _wait(process, health, log, START_SECONDS)
        yield
    finally:
        process.terminate()
        process.wait(60)


def _wait(process: "subprocess.Popen[bytes]", health: str, log: Path, seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        with suppress(httpx.TransportError):
            if httpx.get(health, timeout=10).status_code == 200:
                return
        time.sleep(0.2)
    raise RuntimeError(f"{health} does not answer:\n{log.read_text()[-3000:]}")


class Server:
    """A real server in a process of its own, that can be killed and started again at the same address."""

    def __init__(self, command: list[str], folder: Path, health: str) -> None:
        self.command, self.folder, self.health = command, folder, health

    def start(self) -> None:
        home = self.folder / "prefect"
        home.mkdir(exist_ok=True)
        own = {
            name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "MLFLOW_"))
        }
        with (log := home / "server.log").open("a") as stream:
            self.process = subprocess.Popen(
                self.command, cwd=self.folder, start_new_session=True, stdout=stream, stderr=subprocess.STDOUT,
                env=own | {"PREFECT_HOME": str(home), "PREFECT_SERVER_ANALYTICS_ENABLED": "false"},
            )  # fmt: skip
        _wait(self.process, self.health, log, RESTART_SECONDS)

    def kill(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def prefect_server(folder: Path, port: int) -> Server:
    """A Prefect server with all its services, and its database in a folder."""
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    return Server(command, folder, f"http://127.0.0.1:{port}/api/health")


class Wire:
    """A port that leads to another one until it is cut, in the middle of what is being sent."""

    def __init__(self, there: int) -> None:
        self.there, self.sent, self.most = there, 0, float("inf")
        self.door = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.door.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def is_cut(self) -> bool:
        """Whether as many bytes have been sent as may be."""
        return self.sent > self.most

    def _accept(self) -> None:
        while True:
            here, _ = self.door.accept()
            if self.is_cut:
                here.close()
                continue
            there = socket.create_connection(("127.0.0.1", self.there))
            for source, target, counted in ((here, there, True), (there, here, False)):
                threading.Thread(target=self._carry, args=(source, target, counted), daemon=True).start()

    def _carry(self, source: socket.socket, target: socket.socket, counted: bool) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                self.sent += len(data) * counted
                if self.is_cut:
                    break
                target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
