"""The service as a process of its own, over any bundle and database: started, ended or killed from outside."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from components.bundle.bundle import Bundle
from components.serving.app import create_app
from components.serving.settings import ServingSettings

if TYPE_CHECKING:
    from fastapi import FastAPI

START_SECONDS = 120


def app() -> "FastAPI":
    """What a worker serves: the bundle and the settings that the environment names."""
    settings = ServingSettings.model_validate_json(os.environ["TANDEM_SERVED_SETTINGS"])
    return create_app(Bundle.load(Path(os.environ["TANDEM_SERVED_BUNDLE"])), settings)


class ServiceProcess:
    """A service that listens on a free port of this machine."""

    def __init__(self, bundle: Path, settings: ServingSettings, workers: int = 1, threads: int = 1) -> None:
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        here = Path(__file__).parent
        command = [sys.executable, "-m", "uvicorn", "service_process:app", "--factory"]
        command += [
            "--port",
            str(self.port),
            "--workers",
            str(workers),
            "--log-level",
            "error",
            "--no-access-log",
        ]
        environment = os.environ | {
            "PYTHONPATH": f"{here.parent}{os.pathsep}{here}",
            "TANDEM_SERVED_BUNDLE": str(bundle.resolve()),
            "TANDEM_SERVED_SETTINGS": settings.model_dump_json(),
            "OMP_NUM_THREADS": str(threads),
        }
        self.process = subprocess.Popen(command, cwd=here.parent, env=environment, start_new_session=True)

    def wait(self) -> "ServiceProcess":
        """Wait until it answers."""
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until and self.process.poll() is None:
            try:
                if httpx.get(f"{self.address}/readyz").status_code == 200:
                    return self
            except httpx.TransportError:
                time.sleep(0.05)
        raise RuntimeError("The service did not start.")

    def kill(self) -> None:
        """End it and its workers as a power cut does."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        """End it as an operator does."""
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.kill()

    def __enter__(self) -> "ServiceProcess":
        return self.wait()

    def __exit__(self, *fault: object) -> None:
        if self.process.poll() is None:
            self.stop()


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port
