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
POLL_SECONDS = 0.5
# Databases that this process chose. MLflow writes them to MLFLOW_TRACKING_URI itself, so that the variable alone does
# not say whether a user named a server or an earlier project of this process chose its database.
_chosen: set[str] = set()


class RegistryError(TandemError):
    """A registry that does not answer, or lacks what is asked for."""


@dataclass(frozen=True)
class Registry:
    """The versions of one registered model."""

    name: str
    root: Path

    def __post_init__(self) -> None:
        use_tracking(self.root)

    def get_champion(self) -> ModelVersion | None:
        """Return the published version, or None before the first."""
        try:
            return MlflowClient().get_model_version_by_alias(self.name, CHAMPION)
        except MlflowException as error:
            # SQL stores say the one where the model is missing and the other where the alias is.
            if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                return None
            raise RegistryError(
                f"The MLflow registry does not answer: {error}. See MLFLOW_TRACKING_URI."
            ) from error

    def fetch_bundle(self, version: ModelVersion) -> Path:
        """Return the folder of a version's bundle on this machine, downloaded if the registry is elsewhere."""
        return self._download_artifacts(version) / FOLDER

    def fetch_metrics(self, version: ModelVersion) -> dict[str, float]:
        """Return the metrics of a version's bundle."""
        # The manifest alone: a remote registry would send the whole bundle, also on a night with nothing to do.
        return read_metrics(self._download_artifacts(version, FOLDER / MANIFEST).parent)

    def _download_artifacts(self, version: ModelVersion, part: Path = Path()) -> Path:
        """Return the path of a version's model, or of a part of it, on this machine."""
        try:
            path = mlflow.artifacts.download_artifacts(
                f"models:/{self.name}/{version.version}/{part.as_posix()}".removesuffix("/.")
            )
        except (MlflowException, OSError) as error:
            raise RegistryError(
                f"{self.name} version {version.version} cannot be read: {error}. "
                "Restore its artifacts, or go back with: tandem rollback"
            ) from error
        return Path(path)

    def get_version(self, name: str) -> ModelVersion:
        """Return the version that a number or an alias names.

        Raises RegistryError if there is none.
        """
        client = MlflowClient()
        try:
            if name.isdigit():
                return client.get_model_version(self.name, name)
            return client.get_model_version_by_alias(self.name, name)
        except MlflowException as error:
            raise RegistryError(
                f"{self.name} has no version {name}: {error.message} See them with: tandem versions"
            ) from None

    def list_versions(self) -> list[ModelVersion]:
        """Return every version, the latest first."""
        found = MlflowClient().search_model_versions(f"name = '{self.name}'", max_results=1000)
        # By number: MLflow's versions are numbers here and texts there, and as a text 10 comes before 9.
        return sorted(found, key=lambda version: -int(version.version))

    def find_version(self, identity: str) -> ModelVersion | None:
        """Return the latest version that holds the bundle of this identity, or None."""
        return next(
            (version for version in self.list_versions() if version.tags.get(BUNDLE) == identity), None
        )

    def fetch_settings(self, version: ModelVersion) -> dict[str, Any]:
        """Return the settings that made a version, by file and key; empty if its lineage lacks them."""
        try:
            origin = mlflow.artifacts.load_dict(f"runs:/{version.tags['run_id']}/lineage.json")
        except (KeyError, MlflowException, OSError):
            return {}
        return dict(origin.get("settings", {}))

    def register_challenger(self, source: str, tags: dict[str, str]) -> str:
        """Register a logged model as challenger, which waits for its turn; return its version."""
        waiting = {STATE: CHALLENGER, PUBLISHER: _identify_publisher()}
        version = str(mlflow.register_model(source, self.name, tags=waiting | tags).version)
        try:
            MlflowClient().set_registered_model_alias(self.name, CHALLENGER, version)
        except MlflowException:
            # MLflow raises if another publisher deletes the alias while it is moved; the second try finds none to move.
            MlflowClient().set_registered_model_alias(self.name, CHALLENGER, version)
        return version

    def wait_for_turn(self, version: str, minutes: float) -> None:
        """Wait until no earlier challenger is about to become champion.

        A challenger whose publisher has ended, or was silent for that many minutes, is not waited for.
        """
        # By version number: MLflow gives numbers one after the other, so that all publishers agree on the order.
        while any(
            int(other.version) < int(version) and is_pending(other, minutes) for other in self.list_versions()
        ):
            time.sleep(POLL_SECONDS)

    def promote(self, version: str) -> None:
        """Make a version the champion and record the one before."""
        client, before = MlflowClient(), self.get_champion()
        if before is not None and str(before.version) != version:
            client.set_model_version_tag(self.name, version, PREVIOUS, str(before.version))
        client.set_registered_model_alias(self.name, CHAMPION, version)
        self._record_decision(version, CHAMPION)

    def refuse(self, version: str) -> None:
        """Keep a challenger from becoming champion."""
        self._record_decision(version, "refused")

    def _record_decision(self, version: str, state: str) -> None:
        client = MlflowClient()
        # The state before the alias: a kill between the two leaves an alias, but no version that others wait for.
        client.set_model_version_tag(self.name, version, STATE, state)
        aliases = client.get_registered_model(self.name).aliases
        if str(aliases.get(CHALLENGER)) == version:
            client.delete_registered_model_alias(self.name, CHALLENGER)

    def rollback(self) -> tuple[str, str]:
        """Move the alias back to the champion before; return the versions (from, to).

        Raises RegistryError if there is no champion or none before it.
        """
        champion = self.get_champion()
        if champion is None:
            raise RegistryError(f"{self.name} has no champion yet. Publish one with: tandem run")
        if PREVIOUS not in champion.tags:
            raise RegistryError(
                f"{self.name} version {champion.version} is the first champion: nothing to go back to."
            )
        MlflowClient().set_registered_model_alias(self.name, CHAMPION, champion.tags[PREVIOUS])
        self._record_decision(str(champion.version), "rolled back")
        return str(champion.version), champion.tags[PREVIOUS]


def version_number(version: ModelVersion | None) -> str | None:
    """Return a version's number as a text, or None."""
    return None if version is None else str(version.version)


def read_state(version: ModelVersion) -> str:
    """Return a version's state: challenger, champion, refused, rolled back, or empty."""
    return str(version.tags.get(STATE, ""))


def _identify_publisher() -> str:
    """Return the host and the process number by which other publishers know this process."""
    return f"{socket.gethostname()}:{os.getpid()}"


def is_pending(version: ModelVersion, minutes: float) -> bool:
    """Whether a challenger's publisher may still make it the champion."""
    if version.tags.get(STATE) != CHALLENGER or PUBLISHER not in version.tags:
        return False
    host, process = version.tags[PUBLISHER].rsplit(":", 1)
    # Only on this host can a process be looked up; of others the last change of the version has to tell.
    if host == socket.gethostname():
        return psutil.pid_exists(int(process))
    return time.time() - version.last_updated_timestamp / 1000 < 60 * minutes


def use_tracking(root: Path) -> None:
    """Point MLflow at the project's own database unless MLFLOW_TRACKING_URI names a server."""
    named = os.environ.get("MLFLOW_TRACKING_URI")
    if named is None or named in _chosen:
        own = f"sqlite:///{(root / 'mlflow.db').resolve()}"
        _chosen.add(own)
        mlflow.set_tracking_uri(own)


def prepare_tracking(root: Path) -> None:
    """Make the tables of a new database, since two stages that start at once would both make them and one would fail.

    Raises RegistryError if the tracking server does not answer.
    """
    use_tracking(root)
    try:
        MlflowClient().search_experiments(max_results=1)
    except MlflowException as error:
        raise RegistryError(
            f"MLflow does not answer at {mlflow.get_tracking_uri()}: {error}. "
            "Start it, or unset MLFLOW_TRACKING_URI to use the local database."
        ) from error
