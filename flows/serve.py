"""Serve the registry's champion: which version it is, where its bundle lies, and as many processes as asked for."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Engine, make_url

from components.catalogue.change_feed import FOLDER
from components.catalogue.settings import CatalogueSettings
from components.serving.settings import ServingSettings
from flows.promote.registry import Registry, RegistryError
from flows.run.workspace import CATALOGUE
from flows.settings import NightlySettings

if TYPE_CHECKING:
    from fastapi import FastAPI

SETTINGS, NIGHTLY = Path("conf/serving.yaml"), Path("conf/nightly.yaml")


def champion(root: Path) -> tuple[str, Callable[[], Path]]:
    """The champion's version, and how to have its bundle on this machine.

    Raises RegistryError where there is none yet or the registry does not answer.
    """
    registry = Registry(NightlySettings.read(root / NIGHTLY).registered_model, root)
    found = registry.champion()
    if found is None:
        raise RegistryError(f"{registry.name} has no champion yet. Make one with: tandem run")
    return str(found.version), lambda: registry.bundle(found)


def database() -> Engine:
    """The service's database, its tables up to date."""
    from components.serving.storage.database import open_database

    return open_database(ServingSettings.read(SETTINGS).change_log)


def take_told(root: Path) -> None:
    """Put what the service was told where the catalogue's stage reads it, if there is a service and its database."""
    if not (root / SETTINGS).is_file():
        return
    address = ServingSettings.read(root / SETTINGS).change_log
    url = make_url(address)
    if url.get_backend_name() == "sqlite":
        file = root / (url.database or "")
        if not file.is_file():
            return
        address = f"sqlite:///{file}"
    from components.serving.export_changes import hand_over
    from components.serving.storage.change_log import ChangeLog
    from components.serving.storage.database import open_database

    inbox = CatalogueSettings.read(root / CATALOGUE).folder
    engine = open_database(address)
    hand_over(ChangeLog(engine), root / inbox / FOLDER)
    engine.dispose()


def listen(host: str, port: int, workers: int) -> None:
    """Answer until ended. Faults that a person can mend are found before the first process starts."""
    import uvicorn

    database().dispose()
    champion(Path())
    print(f"Open http://{host}:{port}", flush=True)
    with tempfile.TemporaryDirectory(prefix="tandem-metrics-") as folder:
        if workers > 1:
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        uvicorn.run(
            "flows.serve:app", factory=True, host=host, port=port, workers=workers, log_level="warning"
        )


def app() -> "FastAPI":
    """One process of the service, over this workspace."""
    from components.bundle.bundle import Bundle
    from components.serving.app import create_app

    version, fetch = champion(Path())
    return create_app(Bundle.load(fetch()), ServingSettings.read(SETTINGS), version, lambda: champion(Path()))
