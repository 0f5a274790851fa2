"""Put the bundle that the graph made on trial and publish it, with its lineage, to the MLflow registry."""

import hashlib
import json
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import mlflow
import pandas as pd
from mlflow.entities.model_registry.model_version import ModelVersion

from components.bundle.manifest import identify_bundle, read_metrics, verify_files
from flows.promote.lineage import LOCK, lineage, output_of, read_lock
from flows.promote.promotion_gate import GateDecision
from flows.promote.registry import BUNDLE, CHALLENGER, Registry, number, state_of
from flows.settings import NightlySettings

if TYPE_CHECKING:
    from flows.promote.validation import ValidationResult

STAGE, CATALOGUE = "bundle", "catalogue"
PASSED = "passed"


@dataclass(frozen=True)
class PublishOutcome:
    """What became of a candidate: the version that is champion now, and why."""

    version: str | None
    published: bool
    reason: str
    verdict: GateDecision | None = None


def publish(root: Path, settings: NightlySettings) -> PublishOutcome:
    """Publish the bundle as champion if its trial lets it pass; keep the champion, and say why, if not.

    A bundle that passes is registered as challenger first. Publishers take turns in the order of their versions, and
    one whose champion has changed meanwhile holds its trial again, so that of two at once only the better wins.
    """
    folder = output_of(root, STAGE)
    registry = Registry(settings.registered_model, root)
    standing, known = registry.champion(), registry.version_of(identify_bundle(folder))
    if known is not None and (reason := _settled(known, standing, settings)):
        return PublishOutcome(number(standing), False, reason)
    candidate = Candidate(root, folder, registry, settings)
    if reason := candidate.refused_before(standing):
        return PublishOutcome(number(standing), False, reason)
    verify_files(folder)
    trial, run_id = candidate.validate(standing)
    if trial.fault is not None:
        return PublishOutcome(number(standing), False, trial.fault, trial.verdict)
    version = candidate.register(run_id, known)
    if settings.promotion == "by hand":
        reason = f"version {version} is challenger; promote it with: tandem promote"
        return PublishOutcome(number(standing), False, reason, trial.verdict)
    registry.wait_for_turn(version, settings.claim_minutes)
    now = registry.champion()
    if number(now) != number(standing):
        trial, _ = candidate.validate(now)
        if trial.fault is not None:
            registry.refuse(version)
            reason = f"version {number(now)} was published meanwhile: {trial.fault}"
            return PublishOutcome(number(now), False, reason, trial.verdict)
    registry.promote(version)
    return PublishOutcome(version, True, "every rule of the gate holds", trial.verdict)


def _settled(known: ModelVersion, standing: ModelVersion | None, settings: NightlySettings) -> str | None:
    """Why a bundle that is registered already needs no trial, or None."""
    state = state_of(known)
    if number(known) == number(standing):
        return "the champion already is this bundle"
    if state in ("rolled back", "refused") or (state == CHALLENGER and settings.promotion == "by hand"):
        return f"this bundle is version {number(known)} ({state}); promote it with: tandem promote {number(known)}"
    return None


@dataclass(frozen=True)
class Candidate:
    """The bundle that the graph made, before it has a version."""

    root: Path
    folder: Path
    registry: Registry
    settings: NightlySettings

    def validate(self, champion: ModelVersion | None) -> "tuple[ValidationResult, str]":
        """Hold a trial beside the champion and keep it in MLflow, whatever its verdict; gives the run too."""
        from flows.experiments.comparison_page import comparison_page, difference
        from flows.promote.validation import validate_candidate

        standing = self.registry.bundle(champion) if champion else None
        trial = validate_candidate(self.folder, standing, asked_queries(self.root), self.settings.gate)
        mlflow.set_experiment("publish")
        with mlflow.start_run(run_name="trial") as run:
            origin = lineage(self.root)
            mlflow.set_tags(
                {
                    "stage": "publish",
                    "commit": origin["commit"],
                    "verdict": trial.fault or PASSED,
                    **self._question(champion),
                }
            )
            figures = read_metrics(self.folder)
            mlflow.log_metrics(
                {key: value for key, value in figures.items() if isinstance(value, int | float)}
            )
            mlflow.log_dict(origin, "lineage.json")
            mlflow.log_dict({"gate": [vars(line) for line in trial.verdict.lines]}, "gate.json")
            standing_settings = self.registry.settings(champion) if champion else {}
            settings = difference(standing_settings, origin["settings"])
            name = f"version {number(champion)}" if champion else "no champion"
            mlflow.log_text(comparison_page(trial, name, "candidate", settings), "trial.html")
            mlflow.log_artifact(str(self.root / LOCK))
        return trial, str(run.info.run_id)

    def refused_before(self, champion: ModelVersion | None) -> str | None:
        """What an earlier trial of the same bundle beside the same champion by the same rules said, if it failed."""
        asked = " and ".join(f"tags.{name} = '{value}'" for name, value in self._question(champion).items())
        runs = mlflow.search_runs(
            experiment_names=["publish"],
            filter_string=f"{asked} and attributes.status = 'FINISHED'",
            max_results=1,
            output_format="list",
        )
        verdict = runs[0].data.tags["verdict"] if runs else PASSED
        return None if verdict == PASSED else verdict

    def _question(self, champion: ModelVersion | None) -> dict[str, str]:
        """What a trial decides: which bundle, beside which champion, by which rules."""
        rules = hashlib.sha256(self.settings.gate.model_dump_json().encode()).hexdigest()
        return {BUNDLE: identify_bundle(self.folder), "champion": number(champion) or "none", "rules": rules}

    def register(self, run_id: str, known: ModelVersion | None) -> str:
        """Register the bundle as challenger, from where a version of it lies already if there is one; gives the version."""
        origin = mlflow.artifacts.load_dict(f"runs:/{run_id}/lineage.json")
        tags = {
            BUNDLE: identify_bundle(self.folder),
            "run_id": run_id,
            "commit": origin["commit"],
            "dvc_lock": json.dumps(origin["dvc_lock"][STAGE]),
            "stage_runs": json.dumps(origin["stage_runs"]),
        }
        return self.registry.challenge(known.source if known else self._log_model(run_id), tags)

    def _log_model(self, run_id: str) -> str:
        """Log the bundle as a pyfunc model of the trial's run; gives its address."""
        with mlflow.start_run(run_id=run_id), tempfile.TemporaryDirectory() as scratch:
            model = mlflow.pyfunc.log_model(
                name="bundle",
                python_model=str(self.root / "components" / "bundle" / "pyfunc.py"),
                artifacts={"bundle": str(self.folder)},
                code_paths=[_sources(self.root, Path(scratch))],
                pip_requirements=str(_requirements(self.root, Path(scratch))),
            )
        return str(model.model_uri)


def asked_queries(root: Path) -> list[str]:
    """What people asked in the shop's own log, the latest first; empty where it has none."""
    if not (root / LOCK).is_file() or CATALOGUE not in read_lock(root):
        return []
    file = output_of(root, CATALOGUE) / "queries.parquet"
    return pd.read_parquet(file, columns=["text"])["text"].tolist()[::-1] if file.is_file() else []


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
