"""The real service over the made-up shop: in this process for requests, on a free port for a browser."""

import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn
from fastapi import FastAPI
from fastapi.testclient import TestClient

from components.bundle.load import Bundle
from components.serving.app import create_app
from components.serving.settings import ServingSettings


@pytest.fixture(scope="session")
def app(bundle: Bundle) -> FastAPI:
    return create_app(bundle, ServingSettings(), version="7")


@pytest.fixture(scope="session")
def client(app: FastAPI) -> TestClient:
    return TestClient(app)


@pytest.fixture(scope="session")
def address(app: FastAPI) -> Iterator[str]:
    """Where the service listens."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "The service ended before it listened."
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()
