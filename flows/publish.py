"""Judge the bundle that the graph made and publish it, with its lineage, to the MLflow registry."""

import hashlib
import json
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import yaml
from mlflow import MlflowClient

from components.bundle.load import read_figures, read_manifest, verify
from components.stage import digest
from flows.gate import Verdict, judge
from flows.registry import BUNDLE, Registry
from flows.settings import NightlySettings

STAGE = "bundle"


@dataclass(frozen=True)
class Outcome:
    """What became of a candidate: the version that is champion now, and why."""

    version: str | None
    published: bool
    reason: str
    verdict: Verdict | None = None


def publish(root: Path, settings: NightlySettings) -> Outcome:
    """Publish the bundle as champion if the gate lets it pass; keep the champion, and say why, if not."""
    lock = yaml.safe_load((root / "dvc.lock").read_text())["stages"]
    folder = root / lock[STAGE]["outs"][0]["path"]
    registry = Registry(settings.registered_model, root)
    champion = registry.champion()
    manifest = read_manifest(folder)
    standing_version = str(champion.version) if champion else None
    if champion is not None and champion.tags.get(BUNDLE) == _identity(folder):
        return Outcome(standing_version, False, "the champion already is this bundle")
    verify(folder)
    standing = read_figures(registry.bundle(champion)) if champion else None
    verdict = judge(manifest["metrics"], standing, settings.gate)
    if not verdict.passed:
        failing = "; ".join(f"{line.metric}: {line.reason}" for line in verdict.lines if not line.passed)
        return Outcome(standing_version, False, f"refused by the gate ({failing})", verdict)
    version = _register(root, folder, manifest, lock, registry.name, verdict)
    registry.promote(version)
    return Outcome(version, True, "every rule of the gate holds", verdict)


def _identity(folder: Path) -> str:
    """A bundle is known by its manifest, which holds the hash of every file."""
    return hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest()


def _register(
    root: Path, folder: Path, manifest: dict[str, Any], lock: dict[str, Any], name: str, verdict: Verdict
) -> str:
    """Log the bundle as a pyfunc model and register it; returns the version."""
    mlflow.set_experiment("publish")
    with mlflow.start_run(run_name="bundle") as run, tempfile.TemporaryDirectory() as scratch:
        lineage: dict[str, Any] = {
            "commit": _commit(root),
            "dvc_lock": {stage: _hashes(entry) for stage, entry in lock.items()},
            "stage_runs": _stage_runs(root, lock),
        }
        mlflow.set_tags({"commit": lineage["commit"], "stage": "publish"})
        mlflow.log_metrics(
            {key: value for key, value in manifest["metrics"].items() if isinstance(value, int | float)}
        )
        mlflow.log_dict(lineage, "lineage.json")
        mlflow.log_dict({"gate": [vars(line) for line in verdict.lines]}, "gate.json")
        model = mlflow.pyfunc.log_model(
            name="bundle",
            python_model=str(root / "components" / "bundle" / "pyfunc.py"),
            artifacts={"bundle": str(folder)},
            code_paths=[_sources(root, Path(scratch))],
            pip_requirements=str(_requirements(root, Path(scratch))),
            registered_model_name=name,
        )
    version = str(model.registered_model_version)
    tags = {
        BUNDLE: _identity(folder),
        "commit": lineage["commit"],
        "run_id": run.info.run_id,
        "dvc_lock": json.dumps(lineage["dvc_lock"][STAGE]),
        "stage_runs": json.dumps(lineage["stage_runs"]),
    }
    for key, value in tags.items():
        MlflowClient().set_model_version_tag(name, version, key, value)
    return version


def _sources(root: Path, scratch: Path) -> str:
    """The components without compiled leftovers, as the published model carries them."""
    ignore = shutil.ignore_patterns("__pycache__")
    return str(shutil.copytree(root / "components", scratch / "components", ignore=ignore))


def _requirements(root: Path, scratch: Path) -> Path:
    """What the published model needs, at the versions that made it."""
    import tomllib
    from importlib.metadata import version

    from packaging.requirements import Requirement

    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    names = [Requirement(line).name for line in project["dependencies"]]
    target = scratch / "requirements.txt"
    target.write_text("".join(f"{name}=={version(name).split('+')[0]}\n" for name in names))
    return target


def _commit(root: Path) -> str:
    answer = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=root, capture_output=True, text=True, check=False
    )
    return answer.stdout.strip() or "none"


def _hashes(entry: dict[str, Any]) -> dict[str, dict[str, str]]:
    return {side: {file["path"]: file["md5"] for file in entry.get(side, [])} for side in ("deps", "outs")}


def _stage_runs(root: Path, lock: dict[str, Any]) -> dict[str, str]:
    """The MLflow run that made each stage's present outputs, found by their digest: skipped stages included."""
    found = {}
    for stage, entry in lock.items():
        outputs = [root / file["path"] for file in entry.get("outs", [])]
        runs = mlflow.search_runs(
            search_all_experiments=True,
            filter_string=f"tags.outputs_sha256 = '{digest(outputs)}' and attributes.status = 'FINISHED'",
            order_by=["attributes.start_time DESC"],
            max_results=1,
            output_format="list",
        )
        if runs:
            found[stage] = runs[0].info.run_id
    return found
