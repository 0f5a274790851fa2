"""Compare two versions: figures with intervals, and the settings, data and answers that differ."""

from dataclasses import dataclass
from pathlib import Path

import mlflow

from flows.experiments.comparison_page import Difference, diff_settings, render_comparison
from flows.promote.candidate_validation import ValidationResult, validate_candidate
from flows.promote.publish import read_logged_queries
from flows.promote.registry import Registry
from flows.settings import NightlySettings

PAGE = "comparison.html"


@dataclass(frozen=True)
class Comparison:
    """The validation of one version beside another, the settings that differ, and the path of the page about both."""

    before: str
    after: str
    validation: ValidationResult
    settings: Difference | None
    page: str


def compare_versions(root: Path, settings: NightlySettings, before: str, after: str) -> Comparison:
    """Let two versions, each a number or an alias, answer the same queries, and log a page of it to MLflow.

    The evaluation set is that of the second version's data, as in the gate.
    Raises RegistryError if a version is unknown, BundleError if the second one has another format.
    """
    registry = Registry(settings.registered_model, root)
    old, new = registry.get_version(before), registry.get_version(after)
    folder, standing = registry.fetch_bundle(new), registry.fetch_bundle(old)
    result = validate_candidate(folder, standing, queries=read_logged_queries(root), gate=settings.gate)
    changes = diff_settings(registry.fetch_settings(old), registry.fetch_settings(new))
    old_name, new_name = (
        f"version {old.version}",
        f"version {new.version}",
    )  # an alias may move, a number stays
    mlflow.set_experiment("compare")
    with mlflow.start_run(run_name=f"{old.version} and {new.version}") as run:
        mlflow.set_tags({"before": old.version, "after": new.version})
        mlflow.log_text(render_comparison(result, old_name, after=new_name, settings=changes), PAGE)
        page = mlflow.artifacts.download_artifacts(f"runs:/{run.info.run_id}/{PAGE}")
    return Comparison(old_name, new_name, validation=result, settings=changes, page=page)
