"""Trace a bundle to its commit, to the hashes and settings of its graph, and to the MLflow runs of its stages."""

import subprocess
from pathlib import Path
from typing import Any

import mlflow
import yaml

from components.core.content_hash import hash_paths

LOCK = "dvc.lock"
TRACKED = ("dvc.yaml", "conf", "components", "examples")


def read_lock(root: Path) -> dict[str, Any]:
    """Return the stages of dvc.lock: the inputs, settings and outputs of each."""
    stages: dict[str, Any] = yaml.safe_load((root / LOCK).read_text())["stages"]
    return stages


def find_output(root: Path, stage: str, position: int = 0) -> Path:
    """Return the path of a stage's output, of the first one or of another position."""
    # From dvc.lock and not dvc.yaml: only the lock has the paths with the variables of dvc.yaml filled in.
    return root / str(read_lock(root)[stage]["outs"][position]["path"])


def trace_lineage(root: Path) -> dict[str, Any]:
    """Return all that leads from a published version back to what made it."""
    lock = read_lock(root)
    return {
        "commit": find_commit(root),
        "uncommitted": list_uncommitted(root),
        "dvc_lock": {stage: _collect_hashes(entry) for stage, entry in lock.items()},
        "settings": collect_settings(lock),
        "stage_runs": _find_stage_runs(root, lock),
    }


def collect_settings(lock: dict[str, Any]) -> dict[str, Any]:
    """Return every setting that made the outputs, by `file.key`."""
    # Stages of one package read different keys of the same file.
    files: dict[str, dict[str, Any]] = {}
    for entry in lock.values():
        for file, values in entry.get("params", {}).items():
            files.setdefault(file, {}).update(values)
    settings: dict[str, Any] = {}
    for file, values in files.items():
        for key, value in values.items():
            settings[f"{Path(file).stem}.{key}"] = value
    return settings


def find_commit(root: Path) -> str:
    """Return the commit that is checked out, or `none`."""
    return _run_git(root, "rev-parse", "HEAD").strip() or "none"


def list_uncommitted(root: Path) -> list[str]:
    """Return the files of the graph, its settings and its code that differ from the commit."""
    changed = _run_git(root, "status", "--porcelain", "--", *TRACKED)
    return [line[3:] for line in changed.splitlines()]


def _run_git(root: Path, *arguments: str) -> str:
    # check=False: a project outside git is published too, with the commit `none`.
    return subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=False).stdout


def _collect_hashes(entry: dict[str, Any]) -> dict[str, dict[str, str]]:
    hashes = {}
    for side in ("deps", "outs"):
        hashes[side] = {file["path"]: file["md5"] for file in entry.get(side, [])}
    return hashes


def _find_stage_runs(root: Path, lock: dict[str, Any]) -> dict[str, str]:
    """Return the MLflow run that made each stage's present outputs."""
    found = {}
    for stage, entry in lock.items():
        outputs = [root / file["path"] for file in entry.get("outs", [])]
        # By the digest of the outputs: a stage that was skipped tonight was made by an earlier run.
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
