"""Hold the catalogue's feed against the last accepted one before anything is trained on it."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from prefect.artifacts import create_table_artifact

from components.catalogue.data_profile import PROFILE
from components.catalogue.drift import DriftFinding, demand, judge
from components.catalogue.settings import CatalogueSettings
from components.core.atomic_write import write_atomically
from components.core.errors import TandemError
from flows.promote.registry import Registry
from flows.run.graph import StageNode
from flows.run.workspace import CATALOGUE

STAGE = "catalogue"
ACCEPTED = Path(".tandem/accepted-feed.json")


def check_feed(root: Path, graph: Sequence[StageNode], registry: Registry) -> list[DriftFinding]:
    """Judge the catalogue that the graph has read, and leave the figures in Prefect's page of the run.

    A feed that holds every limit is what the next is held against. It is kept in `.tandem`; where that is lost, the
    champion's bundle has the feed it is made of. Raises FeedError naming what is beyond its limit.
    """
    accepted = root / ACCEPTED
    if not accepted.is_file():
        _restore(accepted, registry)
    known = json.loads(accepted.read_text()) if accepted.is_file() else None
    feed = _read(root, graph)
    findings = judge(feed, known, CatalogueSettings.read(root / CATALOGUE).drift)
    rows = [asdict(finding) for finding in findings]
    create_table_artifact(rows, key="feed", description="The feed beside the last accepted one")
    demand(findings)
    write_atomically(accepted, json.dumps(feed))
    return findings


def accept_feed(root: Path, graph: Sequence[StageNode]) -> dict[str, int]:
    """Take the present feed for what later feeds are held against; returns its rows by table."""
    feed = _read(root, graph)
    write_atomically(root / ACCEPTED, json.dumps(feed))
    rows: dict[str, int] = feed["rows"]
    return rows


def _read(root: Path, graph: Sequence[StageNode]) -> dict[str, Any]:
    folder = root / next(node for node in graph if node.name == STAGE).outputs[0]
    if not (folder / PROFILE).is_file():
        raise TandemError(
            f"{folder / PROFILE} is missing. Read the catalogue with: tandem run --only {STAGE}"
        )
    profile: dict[str, Any] = json.loads((folder / PROFILE).read_text())
    return profile


def _restore(accepted: Path, registry: Registry) -> None:
    champion = registry.champion()
    if champion is None:
        return
    kept = registry.bundle(champion) / "catalogue" / PROFILE
    if kept.is_file():
        write_atomically(accepted, kept.read_text())
