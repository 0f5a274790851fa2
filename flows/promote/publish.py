"""Validate the bundle that the graph made and publish it, with its lineage, to the MLflow registry."""

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
from flows.promote.lineage import LOCK, find_output, read_lock, trace_lineage
from flows.promote.promotion_gate import GateDecision
from flows.promote.registry import BUNDLE, CHALLENGER, Registry, read_state, version_number
from flows.settings import NightlySettings

if TYPE_CHECKING:
    from flows.promote.candidate_validation import ValidationResult

STAGE, CATALOGUE = "bundle", "catalogue"
PASSED = "passed"


@dataclass(frozen=True)
class PublishOutcome:
    """The result of a publication: the version that is champion now, and why."""

    version: str | None
    published: bool
    reason: str
    verdict: GateDecision | None = None


def publish_candidate(root: Path, settings: NightlySettings) -> PublishOutcome:
    """Publish the bundle as champion if it passes validation; otherwise keep the champion and say why.

    A bundle that passes is registered as challenger first. Publishers take turns in the order of their versions, and
    one whose champion has changed meanwhile validates again, so that of two at once only the better wins.
    """
    folder = find_output(root, STAGE)
    registry = Registry(settings.registered_model, root)
    champion, known = registry.get_champion(), registry.find_version(identify_bundle(folder))
    if known is not None and (reason := _explain_known(known, champion, settings)):
        return PublishOutcome(version_number(champion), False, reason=reason)
    candidate = Candidate(root, folder, registry=registry, settings=settings)
    if reason := candidate.find_refusal(champion):
        return PublishOutcome(version_number(champion), False, reason=reason)
    verify_files(folder)  # after the cheap answers: it hashes every file of the bundle
    result, run_id = candidate.validate(champion)
    if result.refusal is not None:
        return PublishOutcome(version_number(champion), False, reason=result.refusal, verdict=result.verdict)
    version = candidate.register(run_id, known)
    if settings.promotion == "by hand":
        reason = f"version {version} is challenger; promote it with: tandem promote"
        return PublishOutcome(version_number(champion), False, reason=reason, verdict=result.verdict)
    registry.wait_for_turn(version, settings.claim_minutes)
    current = registry.get_champion()
    if version_number(current) != version_number(champion):
        result, _ = candidate.validate(current)
        if result.refusal is not None:
            registry.refuse(version)
            reason = f"version {version_number(current)} was published meanwhile: {result.refusal}"
            return PublishOutcome(version_number(current), False, reason=reason, verdict=result.verdict)
    registry.promote(version)
    return PublishOutcome(version, True, reason="every rule of the gate holds", verdict=result.verdict)


def _explain_known(
    known: ModelVersion, champion: ModelVersion | None, settings: NightlySettings
) -> str | None:
    """Return why a bundle that is registered already needs no validation, or None."""
    state, number = read_state(known), version_number(known)
    if number == version_number(champion):
        return "the champion already is this bundle"
    # What a person or the gate has decided is not undone by the next night, which makes the same bundle again.
    if state in ("rolled back", "refused") or (state == CHALLENGER and settings.promotion == "by hand"):
        return f"this bundle is version {number} ({state}); promote it with: tandem promote {number}"
    return None


@dataclass(frozen=True)
class Candidate:
    """The bundle that the graph made, before it has a version."""

    root: Path
    folder: Path
    registry: Registry
    settings: NightlySettings

    def validate(self, champion: ModelVersion | None) -> "tuple[ValidationResult, str]":
        """Validate beside the champion and log the result to MLflow, whatever it is; return it and the run's id."""
        # Imported here: with nothing new this is never reached, and it imports the models.
        from flows.experiments.comparison_page import diff_settings, render_comparison
        from flows.promote.candidate_validation import validate_candidate

        standing = self.registry.fetch_bundle(champion) if champion else None
        gate = self.settings.gate
        result = validate_candidate(self.folder, standing, queries=read_logged_queries(self.root), gate=gate)
        mlflow.set_experiment("publish")
        with mlflow.start_run(run_name="trial") as run:
            origin = trace_lineage(self.root)
            tags = {"stage": "publish", "commit": origin["commit"], "verdict": result.refusal or PASSED}
            mlflow.set_tags(tags | self._identify_validation(champion))
            metrics = read_metrics(self.folder).items()
            mlflow.log_metrics({name: value for name, value in metrics if isinstance(value, int | float)})
            mlflow.log_dict(origin, "lineage.json")
            mlflow.log_dict({"gate": [*map(vars, result.verdict.lines)]}, "gate.json")
            old_settings = self.registry.fetch_settings(champion) if champion else {}
            changes = diff_settings(old_settings, origin["settings"])
            name = f"version {version_number(champion)}" if champion else "no champion"
            mlflow.log_text(
                render_comparison(result, name, after="candidate", settings=changes), "trial.html"
            )
            mlflow.log_artifact(str(self.root / LOCK))
        return result, str(run.info.run_id)

    def find_refusal(self, champion: ModelVersion | None) -> str | None:
        """Return why an earlier validation of this bundle, beside this champion by these rules, failed, or None."""
        tags = self._identify_validation(champion).items()
        asked = " and ".join(f"tags.{name} = '{value}'" for name, value in tags)
        runs = mlflow.search_runs(
            experiment_names=["publish"],
            # A run that was killed has a verdict only if it came so far: it is validated again.
            filter_string=f"{asked} and attributes.status = 'FINISHED'",
            max_results=1,
            output_format="list",
        )
        verdict = runs[0].data.tags["verdict"] if runs else PASSED
        return None if verdict == PASSED else verdict

    def _identify_validation(self, champion: ModelVersion | None) -> dict[str, str]:
        """Return the tags that identify a validation: which bundle, beside which champion, by which rules."""
        rules = hashlib.sha256(self.settings.gate.model_dump_json().encode()).hexdigest()
        number = version_number(champion) or "none"
        return {BUNDLE: identify_bundle(self.folder), "champion": number, "rules": rules}

    def register(self, run_id: str, known: ModelVersion | None) -> str:
        """Register the bundle as challenger and return its version; `known` is an earlier version of the same bundle."""
        origin = mlflow.artifacts.load_dict(f"runs:/{run_id}/lineage.json")
        tags = {
            BUNDLE: identify_bundle(self.folder),
            "run_id": run_id,
            "commit": origin["commit"],
            "dvc_lock": json.dumps(origin["dvc_lock"][STAGE]),
            "stage_runs": json.dumps(origin["stage_runs"]),
        }
        # The artifacts of a known version are the same bytes; they are not uploaded again.
        source = known.source if known else self._log_model(run_id)
        return self.registry.register_challenger(source, tags)

    def _log_model(self, run_id: str) -> str:
        """Log the bundle as a pyfunc model of the validation's run and return its address."""
        with mlflow.start_run(run_id=run_id), tempfile.TemporaryDirectory() as scratch:
            model = mlflow.pyfunc.log_model(
                name="bundle",
                python_model=str(self.root / "components" / "bundle" / "pyfunc.py"),
                artifacts={"bundle": str(self.folder)},
                code_paths=[_copy_components(self.root, Path(scratch))],
                pip_requirements=str(_write_requirements(self.root, Path(scratch))),
            )
        return str(model.model_uri)


def read_logged_queries(root: Path) -> list[str]:
    """Return the queries of the shop's own log, the latest first; empty if it has none."""
    if not (root / LOCK).is_file() or CATALOGUE not in read_lock(root):
        return []
    file = find_output(root, CATALOGUE) / "queries.parquet"
    return pd.read_parquet(file, columns=["text"])["text"].tolist()[::-1] if file.is_file() else []


def _copy_components(root: Path, scratch: Path) -> str:
    """Copy the components that the published model carries, and return the copy's path."""
    # Compiled bytecode serves one version of Python alone, and its times differ from run to run.
    ignore = shutil.ignore_patterns("__pycache__")
    return str(shutil.copytree(root / "components", scratch / "components", ignore=ignore))


def _write_requirements(root: Path, scratch: Path) -> Path:
    """Write the packages that the published model needs, at the versions that made it, and return the file."""
    import tomllib
    from importlib.metadata import version

    from packaging.requirements import Requirement

    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    target = scratch / "requirements.txt"
    with target.open("w") as file:
        for requirement in map(Requirement, project["dependencies"]):
            # Without the build's suffix, such as +cpu: registries hold no version of that name.
            file.write(f"{requirement.name}=={version(requirement.name).split('+')[0]}\n")
    return target
