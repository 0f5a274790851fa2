"""The MLflow registry: versions of the bundle, and the alias that serving follows."""

import os
from dataclasses import dataclass
from pathlib import Path

import mlflow
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from components.stage import TandemError

CHAMPION = "champion"
PREVIOUS = "previous_champion"
BUNDLE = "bundle_sha256"


class RegistryError(TandemError):
    """A registry that cannot answer or has not what was asked for."""


@dataclass(frozen=True)
class Registry:
    """Versions of one registered model."""

    name: str
    root: Path

    def __post_init__(self) -> None:
        use_tracking(self.root)

    def champion(self) -> ModelVersion | None:
        """The published version, or None before the first."""
        try:
            return MlflowClient().get_model_version_by_alias(self.name, CHAMPION)
        except MlflowException as fault:
            if fault.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                return None
            raise RegistryError(
                f"The MLflow registry does not answer: {fault}. See MLFLOW_TRACKING_URI."
            ) from fault

    def bundle(self, version: ModelVersion) -> Path:
        """The folder of a version's bundle on this machine, downloaded where the registry is elsewhere."""
        try:
            model = mlflow.artifacts.download_artifacts(f"models:/{self.name}/{version.version}")
        except (MlflowException, OSError) as fault:
            raise RegistryError(
                f"{self.name} version {version.version} cannot be read: {fault}. "
                "Restore its artifacts, or go back with: tandem rollback"
            ) from fault
        return Path(model) / "artifacts" / "bundle"

    def promote(self, version: str) -> None:
        """Make a version the champion and remember the one before."""
        client, before = MlflowClient(), self.champion()
        if before is not None:
            client.set_model_version_tag(self.name, version, PREVIOUS, str(before.version))
        client.set_registered_model_alias(self.name, CHAMPION, version)

    def rollback(self) -> tuple[str, str]:
        """Give the alias back to the champion before; returns the versions (from, to).

        Raises RegistryError where there is no champion or none before it.
        """
        champion = self.champion()
        if champion is None:
            raise RegistryError(f"{self.name} has no champion yet. Publish one with: tandem run")
        if PREVIOUS not in champion.tags:
            raise RegistryError(
                f"{self.name} version {champion.version} is the first champion: nothing to go back to."
            )
        MlflowClient().set_registered_model_alias(self.name, CHAMPION, champion.tags[PREVIOUS])
        return str(champion.version), champion.tags[PREVIOUS]


def use_tracking(root: Path) -> None:
    """Point MLflow at the project's own database unless MLFLOW_TRACKING_URI names a server."""
    if "MLFLOW_TRACKING_URI" not in os.environ:
        mlflow.set_tracking_uri(f"sqlite:///{(root / 'mlflow.db').resolve()}")


def prepare_tracking(root: Path) -> None:
    """Make the tables of a new database before stages that run at once would both do it.

    Raises RegistryError where the tracking server does not answer.
    """
    use_tracking(root)
    try:
        MlflowClient().search_experiments(max_results=1)
    except MlflowException as fault:
        raise RegistryError(
            f"MLflow does not answer at {mlflow.get_tracking_uri()}: {fault}. "
            "Start it, or unset MLFLOW_TRACKING_URI to use the local database."
        ) from fault
