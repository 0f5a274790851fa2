"""Compare the catalogue's feed with the last accepted one before anything is trained on it."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from prefect.artifacts import create_table_artifact

from components.catalogue.data_profile import PROFILE_FILE
from components.catalogue.drift import DriftFinding, check_drift, raise_if_failing
from components.catalogue.settings import CatalogueSettings
from components.core.atomic_write import write_atomically
from components.core.errors import TandemError
from flows.promote.registry import Registry
from flows.run.graph import StageNode

STAGE = "catalogue"
ACCEPTED = Path(".tandem/accepted-feed.json")


def check_feed(root: Path, graph: Sequence[StageNode], registry: Registry) -> list[DriftFinding]:
    """Check the drift of the catalogue that the graph has read, and show the figures in Prefect's page of the run.

    A feed within every limit becomes the reference for the next. The reference is kept in `.tandem`; if it is lost
    there, it is taken from the champion's bundle. Raises DriftError naming each figure beyond its limit.
    """
    accepted = root / ACCEPTED
    if not accepted.is_file():
        _restore_accepted(accepted, registry)
    reference = json.loads(accepted.read_text()) if accepted.is_file() else None
    profile = _read_profile(root, graph)
    findings = check_drift(profile, reference, CatalogueSettings.read_in(root).drift)
    # Before the error is raised: a feed that is refused is the one whose figures are looked at.
    rows = [*map(asdict, findings)]
    create_table_artifact(rows, key="feed", description="The feed beside the last accepted one")
    raise_if_failing(findings)
    write_atomically(accepted, json.dumps(profile))
    return findings


def accept_profile(root: Path, graph: Sequence[StageNode]) -> dict[str, int]:
    """Make the present feed the reference for later feeds, and return its rows by table."""
    profile = _read_profile(root, graph)
    write_atomically(root / ACCEPTED, json.dumps(profile))
    rows: dict[str, int] = profile["rows"]
    return rows


def _read_profile(root: Path, graph: Sequence[StageNode]) -> dict[str, Any]:
    folder = root / next(node for node in graph if node.name == STAGE).outputs[0]
    if not (folder / PROFILE_FILE).is_file():
        raise TandemError(
            f"{folder / PROFILE_FILE} is missing. Read the catalogue with: tandem run --only {STAGE}"
        )
    profile: dict[str, Any] = json.loads((folder / PROFILE_FILE).read_text())
    return profile


def _restore_accepted(accepted: Path, registry: Registry) -> None:
    """Take the reference from the catalogue in the champion's bundle, if there is a champion."""
    champion = registry.get_champion()
    if champion is None:
        return
    published = registry.fetch_bundle(champion) / "catalogue" / PROFILE_FILE
    if published.is_file():  # bundles of older formats have none
        write_atomically(accepted, published.read_text())
