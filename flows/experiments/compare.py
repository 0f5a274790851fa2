"""Hold two versions side by side: figures with intervals, and the settings, data and answers that differ."""

from dataclasses import dataclass
from pathlib import Path

import mlflow

from flows.experiments.comparison_page import Difference, comparison_page, difference
from flows.promote.publish import asked_queries
from flows.promote.registry import Registry
from flows.promote.validation import ValidationResult, validate_candidate
from flows.settings import NightlySettings

PAGE = "comparison.html"


@dataclass(frozen=True)
class Comparison:
    """A trial of one version beside another, the settings that differ, and where the page about both lies."""

    before: str
    after: str
    trial: ValidationResult
    settings: Difference | None
    page: str


def compare(root: Path, settings: NightlySettings, before: str, after: str) -> Comparison:
    """Let two versions, each a number or an alias, answer the same, and keep a page of it in MLflow.

    The examination is that of the second version's data, as in the gate.
    Raises RegistryError where there is no such version, BundleError where the second is of another format.
    """
    registry = Registry(settings.registered_model, root)
    old, new = registry.version(before), registry.version(after)
    trial = validate_candidate(registry.bundle(new), registry.bundle(old), asked_queries(root), settings.gate)
    differing = difference(registry.settings(old), registry.settings(new))
    one, other = f"version {old.version}", f"version {new.version}"
    mlflow.set_experiment("compare")
    with mlflow.start_run(run_name=f"{old.version} and {new.version}") as run:
        mlflow.set_tags({"before": old.version, "after": new.version})
        mlflow.log_text(comparison_page(trial, one, other, differing), PAGE)
        page = mlflow.artifacts.download_artifacts(f"runs:/{run.info.run_id}/{PAGE}")
    return Comparison(one, other, trial, differing, page)
