"""Serve the deployments of prefect.yaml on one machine without a work pool, and start a run for new files in the inbox."""

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

FILE = Path("prefect.yaml")
EVENT, RESOURCE = "tandem.inbox.changed", "tandem.inbox"  # a trigger in prefect.yaml names both
TRIGGER: TypeAdapter[DeploymentTriggerTypes] = TypeAdapter(DeploymentTriggerTypes)
Contents = frozenset[tuple[str, int, int]]


def serve_deployments(root: Path, poll_seconds: float) -> None:
    """Serve every deployment of prefect.yaml from this process, and watch the inbox, until ended.

    Raises TandemError if no Prefect server is named.
    """
    # A temporary API would end with this process, and the schedules and states of runs with it.
    if "PREFECT_API_URL" not in os.environ:
        raise TandemError(
            "Schedules need a Prefect server that stays. Start one with `prefect server start --background`, name it "
            "with `export PREFECT_API_URL=http://127.0.0.1:4200/api`, then run again."
        )
    inbox = root / CatalogueSettings.read_in(root).folder
    threading.Thread(target=watch_inbox, args=(inbox, poll_seconds), daemon=True).start()
    serve(*read_deployments(root / FILE))


def read_deployments(file: Path) -> list[RunnerDeployment]:
    """Return the deployments of prefect.yaml."""
    return [*map(_build_deployment, yaml.safe_load(file.read_text())["deployments"])]


def _build_deployment(entry: dict[str, Any]) -> RunnerDeployment:
    name = entry["name"]
    triggers = []
    for number, trigger in enumerate(entry.get("triggers", []), 1):
        # `prefect deploy` names a trigger itself; this way of deploying needs a name.
        triggers.append(TRIGGER.validate_python({"name": f"{name} {number}"} | trigger))
    return RunnerDeployment.from_flow(
        nightly,
        name=name,
        description=entry["description"],
        tags=entry["tags"],
        parameters=entry["parameters"],
        schedules=[Cron(one["cron"], timezone=one["timezone"]) for one in entry["schedules"]],
        triggers=[*triggers],
        concurrency_limit=ConcurrencyLimitConfig(**entry["concurrency_limit"]),
    )


def watch_inbox(inbox: Path, poll_seconds: float, over: threading.Event | None = None) -> None:
    """Emit an event whenever files of the inbox have changed and then stayed the same from one look to the next."""
    over = over or threading.Event()
    reported = last = _list_contents(inbox)
    while not over.wait(poll_seconds):
        current = _list_contents(inbox)
        # Only once they stay the same: a run must not read a file that is still being copied.
        if current == last and current != reported:
            files = sorted({name for name, *_ in current ^ reported})
            emit_event(EVENT, resource={"prefect.resource.id": RESOURCE}, payload={"files": files})
            reported = current
        last = current


def _list_contents(inbox: Path) -> Contents:
    """Return the name, size and time of each file of the inbox."""
    contents = set()
    for file in inbox.glob("[!.]*"):
        if file.is_file():  # folders are left out: the run itself writes the service's changes into one
            stat = file.stat()
            contents.add((file.name, stat.st_size, stat.st_mtime_ns))
    return frozenset(contents)
