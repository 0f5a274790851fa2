"""The real service over the made-up shop: in this process for requests, on a free port for a browser."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest
import uvicorn
from fastapi import FastAPI
from fastapi.testclient import TestClient

from components.bundle.bundle import Bundle
from components.bundle.stores.film_store import FilmStore, write_films
from components.serving.app import create_app
from components.serving.settings import ServingSettings
from components.serving.storage.api_keys import Scope, create_key
from components.serving.storage.database import open_database
from components.video.html_report import make_film_previews
from tests.films import write_films as small_films

HERE = ("127.0.0.1", 50_000)


@contextmanager
def listening(app: FastAPI) -> Iterator[str]:
    """Where an app listens."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "The service ended before it listened."
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


def settings_in(folder: Path, **given: object) -> ServingSettings:
    """Settings with a database of one's own."""
    return ServingSettings(**{"change_log": f"sqlite:///{folder / 'changes.db'}"} | given)  # type: ignore[arg-type]


def key_for(settings: ServingSettings, scope: Scope, name: str | None = None) -> dict[str, str]:
    """The header of a new key."""
    token = create_key(open_database(settings.change_log), name or scope, scope)
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture(scope="session")
def client(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A service that nobody writes to."""
    settings = settings_in(tmp_path_factory.mktemp("read"))
    with TestClient(create_app(bundle, settings, version="7"), client=HERE) as client:
        yield client


@pytest.fixture(scope="session")
def cinema(
    bundle_folder: Path, bundle_items: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory
) -> FastAPI:
    """A service over the shop whose first two items have films; nobody writes to it."""
    folder = tmp_path_factory.mktemp("cinema")
    items = bundle_items["item_id"].iloc[:2].tolist()
    write_films(folder / "films", make_film_previews(*small_films(folder, items)))
    bundle = Bundle.load(bundle_folder)
    bundle.films = FilmStore.load(folder / "films")
    return create_app(bundle, settings_in(folder))


@pytest.fixture(scope="session")
def address(bundle_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where a service listens that nobody writes to."""
    settings = settings_in(tmp_path_factory.mktemp("listening"))
    with listening(create_app(Bundle.load(bundle_folder), settings, version="7")) as address:
        yield address
