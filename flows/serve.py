"""Serve the registry's champion in one or more processes, and export the changes that the service recorded."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Engine, make_url

from components.catalogue.change_feed import CHANGES_FOLDER
from components.catalogue.settings import CatalogueSettings
from components.serving.settings import ServingSettings
from flows.promote.registry import Registry, RegistryError
from flows.settings import NightlySettings

if TYPE_CHECKING:
    from fastapi import FastAPI


def find_champion(root: Path) -> tuple[str, Callable[[], Path]]:
    """Return the champion's version, and a function that fetches its bundle to this machine and returns the folder.

    Raises RegistryError if there is none yet or the registry does not answer.
    """
    registry = Registry(NightlySettings.read_in(root).registered_model, root)
    version = registry.get_champion()
    if version is None:
        raise RegistryError(f"{registry.name} has no champion yet. Make one with: tandem run")
    # A function: the service asks every few seconds and fetches only a version that is new to it.
    return str(version.version), lambda: registry.fetch_bundle(version)


def connect_database() -> Engine:
    """Open the service's database and bring its tables up to date."""
    from components.serving.storage.database import open_database

    return open_database(ServingSettings.read_in().change_log)


def export_recorded_changes(root: Path) -> None:
    """Export the changes that the service recorded to where the stage catalogue reads them, if there is a service."""
    if not (root / ServingSettings.default_path()).is_file():
        return
    address = ServingSettings.read_in(root).change_log
    url = make_url(address)
    if url.get_backend_name() == "sqlite":
        file = root / (url.database or "")
        if not file.is_file():  # opening it would create an empty one
            return
        address = f"sqlite:///{file}"  # from the project's folder, where the run may not have been started
    # Imported here: a project without a service never loads it.
    from components.serving.export_changes import export_changes
    from components.serving.storage.change_log import ChangeLog
    from components.serving.storage.database import open_database

    inbox = CatalogueSettings.read_in(root).folder
    engine = open_database(address)
    export_changes(ChangeLog(engine), root / inbox / CHANGES_FOLDER)
    engine.dispose()


def serve_champion(host: str, port: int, workers: int) -> None:
    """Serve until ended; raise TandemError before the first process starts if the database or champion is missing."""
    import uvicorn

    # Both here as well: in a worker the same error would be a traceback, once for each process.
    connect_database().dispose()
    find_champion(Path())
    print(f"Open http://{host}:{port}", flush=True)
    with tempfile.TemporaryDirectory(prefix="tandem-metrics-") as folder:
        if workers > 1:  # prometheus_client then adds the processes up through files
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        uvicorn.run(
            "flows.serve:create_service",
            factory=True,
            host=host,
            port=port,
            workers=workers,
            log_level="warning",
        )


def create_service() -> "FastAPI":
    """Return the application of one process of the service, over this workspace."""
    from components.bundle.bundle import Bundle
    from components.serving.app import create_app

    version, fetch = find_champion(Path())
    settings = ServingSettings.read_in()
    return create_app(
        Bundle.load(fetch()), settings, version=version, find_champion=lambda: find_champion(Path())
    )
