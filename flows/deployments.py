"""Serve the deployments of prefect.yaml on one machine, without a work pool; what is new in the inbox starts a run."""

import os
import threading
from pathlib import Path
from typing import Any

import yaml
from prefect import serve
from prefect.client.schemas.objects import ConcurrencyLimitConfig
from prefect.deployments.runner import RunnerDeployment
from prefect.events import DeploymentTriggerTypes, emit_event
from prefect.schedules import Cron
from pydantic import TypeAdapter

from components.catalogue.settings import CatalogueSettings
from components.core.errors import TandemError
from flows.run.nightly import nightly
from flows.run.workspace import CATALOGUE

FILE = Path("prefect.yaml")
EVENT, RESOURCE = "tandem.inbox.changed", "tandem.inbox"
TRIGGER: TypeAdapter[DeploymentTriggerTypes] = TypeAdapter(DeploymentTriggerTypes)
Contents = frozenset[tuple[str, int, int]]


def serve_flows(root: Path, look_seconds: float) -> None:
    """Serve every deployment of prefect.yaml from this process, and watch the inbox, until ended.

    Raises TandemError where no Prefect server is named.
    """
    if "PREFECT_API_URL" not in os.environ:
        raise TandemError(
            "Schedules need a Prefect server that stays. Start one with `prefect server start --background`, name it "
            "with `export PREFECT_API_URL=http://127.0.0.1:4200/api`, then run again."
        )
    inbox = root / CatalogueSettings.read(root / CATALOGUE).folder
    threading.Thread(target=watch, args=(inbox, look_seconds), daemon=True).start()
    serve(*read_deployments(root / FILE))


def read_deployments(file: Path) -> list[RunnerDeployment]:
    """The deployments as prefect.yaml has them."""
    return [_deployment(entry) for entry in yaml.safe_load(file.read_text())["deployments"]]


def _deployment(entry: dict[str, Any]) -> RunnerDeployment:
    name = entry["name"]
    triggers = [
        TRIGGER.validate_python({"name": f"{name} {number}"} | trigger)
        for number, trigger in enumerate(entry.get("triggers", []), 1)
    ]
    return RunnerDeployment.from_flow(
        nightly,
        name=name,
        description=entry["description"],
        tags=entry["tags"],
        parameters=entry["parameters"],
        schedules=[Cron(one["cron"], timezone=one["timezone"]) for one in entry["schedules"]],
        triggers=list(triggers),
        concurrency_limit=ConcurrencyLimitConfig(**entry["concurrency_limit"]),
    )


def watch(inbox: Path, look_seconds: float, over: threading.Event | None = None) -> None:
    """Tell Prefect whenever files of the inbox have changed and then stayed the same for one look."""
    over = over or threading.Event()
    told = last = _contents(inbox)
    while not over.wait(look_seconds):
        now = _contents(inbox)
        if now == last and now != told:
            files = sorted({name for name, *_ in now ^ told})
            emit_event(EVENT, resource={"prefect.resource.id": RESOURCE}, payload={"files": files})
            told = now
        last = now


def _contents(inbox: Path) -> Contents:
    """Name, size and time of each file; folders in it are left out, for the run itself writes there."""
    files = [(file, file.stat()) for file in inbox.glob("[!.]*") if file.is_file()]
    return frozenset((file.name, stat.st_size, stat.st_mtime_ns) for file, stat in files)
