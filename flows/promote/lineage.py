"""Where a bundle comes from: its commit, its graph's hashes and settings, and the MLflow runs that made its parts."""

import subprocess
from pathlib import Path
from typing import Any

import mlflow
import yaml

from components.core.content_hash import hash_paths

LOCK = "dvc.lock"


def read_lock(root: Path) -> dict[str, Any]:
    """The stages of dvc.lock: what each was made of, with which settings, and what it made."""
    stages: dict[str, Any] = yaml.safe_load((root / LOCK).read_text())["stages"]
    return stages


def output_of(root: Path, stage: str, place: int = 0) -> Path:
    """Where an output of a stage lies, the first one or another."""
    return root / str(read_lock(root)[stage]["outs"][place]["path"])


def lineage(root: Path) -> dict[str, Any]:
    """All that leads from a published version back to what made it."""
    lock = read_lock(root)
    return {
        "commit": commit(root),
        "uncommitted": uncommitted(root),
        "dvc_lock": {stage: _hashes(entry) for stage, entry in lock.items()},
        "settings": settings_of(lock),
        "stage_runs": _stage_runs(root, lock),
    }


def settings_of(lock: dict[str, Any]) -> dict[str, Any]:
    """Every setting that made the outputs, by file and key."""
    files: dict[str, Any] = {}
    for entry in lock.values():
        for file, values in entry.get("params", {}).items():
            files.setdefault(file, {}).update(values)
    return {f"{Path(file).stem}.{key}": value for file, held in files.items() for key, value in held.items()}


def commit(root: Path) -> str:
    """The commit that is checked out, or none."""
    return _git(root, "rev-parse", "HEAD").strip() or "none"


def uncommitted(root: Path) -> list[str]:
    """Files of the graph, its settings and its code that are not as the commit has them."""
    changed = _git(root, "status", "--porcelain", "--", "dvc.yaml", "conf", "components", "examples")
    return [line[3:] for line in changed.splitlines()]


def _git(root: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=False).stdout


def _hashes(entry: dict[str, Any]) -> dict[str, dict[str, str]]:
    return {side: {file["path"]: file["md5"] for file in entry.get(side, [])} for side in ("deps", "outs")}


def _stage_runs(root: Path, lock: dict[str, Any]) -> dict[str, str]:
    """The MLflow run that made each stage's present outputs, found by their digest: skipped stages included."""
    found = {}
    for stage, entry in lock.items():
        outputs = [root / file["path"] for file in entry.get("outs", [])]
        runs = mlflow.search_runs(
            search_all_experiments=True,
            filter_string=f"tags.outputs_sha256 = '{hash_paths(outputs)}' and attributes.status = 'FINISHED'",
            order_by=["attributes.start_time DESC"],
            max_results=1,
            output_format="list",
        )
        if runs:
            found[stage] = runs[0].info.run_id
    return found
