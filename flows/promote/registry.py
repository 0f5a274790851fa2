"""The MLflow registry: versions of the bundle, and the alias that serving follows."""

import os
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import psutil
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from components.bundle.manifest import MANIFEST, read_metrics
from components.core.errors import TandemError

CHAMPION, CHALLENGER = "champion", "challenger"
PREVIOUS = "previous_champion"
FOLDER = Path("artifacts/bundle")
BUNDLE, STATE, PUBLISHER = "bundle_sha256", "state", "publisher"
LOOK_SECONDS = 0.5
# Databases that this process chose; MLflow names them in the environment as people do.
chosen: set[str] = set()


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
        return self._download(version) / FOLDER

    def figures(self, version: ModelVersion) -> dict[str, float]:
        """The figures of a version's bundle, of which nothing but the manifest is downloaded."""
        return read_metrics(self._download(version, FOLDER / MANIFEST).parent)

    def _download(self, version: ModelVersion, part: Path = Path()) -> Path:
        """A version's model, or a part of it, on this machine."""
        try:
            found = mlflow.artifacts.download_artifacts(
                f"models:/{self.name}/{version.version}/{part.as_posix()}".removesuffix("/.")
            )
        except (MlflowException, OSError) as fault:
            raise RegistryError(
                f"{self.name} version {version.version} cannot be read: {fault}. "
                "Restore its artifacts, or go back with: tandem rollback"
            ) from fault
        return Path(found)

    def version(self, named: str) -> ModelVersion:
        """The version of a number or an alias.

        Raises RegistryError where there is none.
        """
        client = MlflowClient()
        try:
            if named.isdigit():
                return client.get_model_version(self.name, named)
            return client.get_model_version_by_alias(self.name, named)
        except MlflowException as fault:
            raise RegistryError(
                f"{self.name} has no version {named}: {fault.message} See them with: tandem versions"
            ) from None

    def versions(self) -> list[ModelVersion]:
        """Every version, the latest first."""
        found = MlflowClient().search_model_versions(f"name = '{self.name}'", max_results=1000)
        return sorted(found, key=lambda version: -int(version.version))

    def version_of(self, identity: str) -> ModelVersion | None:
        """The latest version that holds a bundle, by its identity."""
        return next((version for version in self.versions() if version.tags.get(BUNDLE) == identity), None)

    def settings(self, version: ModelVersion) -> dict[str, Any]:
        """The settings that made a version, by file and key; empty where its lineage does not tell."""
        try:
            origin = mlflow.artifacts.load_dict(f"runs:/{version.tags['run_id']}/lineage.json")
        except (KeyError, MlflowException, OSError):
            return {}
        return dict(origin.get("settings", {}))

    def challenge(self, source: str, tags: dict[str, str]) -> str:
        """Register a model that is logged as a version that waits for its turn, and make it challenger; gives the version."""
        waiting = {STATE: CHALLENGER, PUBLISHER: publisher()}
        version = str(mlflow.register_model(source, self.name, tags=waiting | tags).version)
        try:
            MlflowClient().set_registered_model_alias(self.name, CHALLENGER, version)
        except MlflowException:  # another challenger was decided on while MLflow moved the alias
            MlflowClient().set_registered_model_alias(self.name, CHALLENGER, version)
        return version

    def wait_for_turn(self, version: str, minutes: float) -> None:
        """Wait until no earlier challenger is about to become champion.

        One whose publisher has ended, or has said nothing for so many minutes, is not waited for.
        """
        while any(
            int(other.version) < int(version) and is_pending(other, minutes) for other in self.versions()
        ):
            time.sleep(LOOK_SECONDS)

    def promote(self, version: str) -> None:
        """Make a version the champion and remember the one before."""
        client, before = MlflowClient(), self.champion()
        if before is not None and str(before.version) != version:
            client.set_model_version_tag(self.name, version, PREVIOUS, str(before.version))
        client.set_registered_model_alias(self.name, CHAMPION, version)
        self._decide(version, CHAMPION)

    def refuse(self, version: str) -> None:
        """Keep a challenger from becoming champion."""
        self._decide(version, "refused")

    def _decide(self, version: str, state: str) -> None:
        client = MlflowClient()
        client.set_model_version_tag(self.name, version, STATE, state)
        aliases = client.get_registered_model(self.name).aliases
        if str(aliases.get(CHALLENGER)) == version:
            client.delete_registered_model_alias(self.name, CHALLENGER)

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
        self._decide(str(champion.version), "rolled back")
        return str(champion.version), champion.tags[PREVIOUS]


def number(version: ModelVersion | None) -> str | None:
    """A version's number."""
    return None if version is None else str(version.version)


def state_of(version: ModelVersion) -> str:
    """What became of a version: challenger, champion, refused, rolled back; empty where nothing did yet."""
    return str(version.tags.get(STATE, ""))


def publisher() -> str:
    """This process, as other publishers know it."""
    return f"{socket.gethostname()}:{os.getpid()}"


def is_pending(version: ModelVersion, minutes: float) -> bool:
    """Whether a challenger's publisher may still make it the champion."""
    if version.tags.get(STATE) != CHALLENGER or PUBLISHER not in version.tags:
        return False
    host, process = version.tags[PUBLISHER].rsplit(":", 1)
    if host == socket.gethostname():
        return psutil.pid_exists(int(process))
    return time.time() - version.last_updated_timestamp / 1000 < 60 * minutes


def use_tracking(root: Path) -> None:
    """Point MLflow at the project's own database unless MLFLOW_TRACKING_URI names a server."""
    named = os.environ.get("MLFLOW_TRACKING_URI")
    if named is None or named in chosen:
        own = f"sqlite:///{(root / 'mlflow.db').resolve()}"
        chosen.add(own)
        mlflow.set_tracking_uri(own)


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
