"""Make a published version again from its lineage alone, and compare the result with what was published."""

import math
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

import mlflow
from dvc.repo import Repo
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from packaging.requirements import Requirement

from components.bundle.manifest import read_manifest
from components.core.errors import TandemError
from flows.promote.lineage import LOCK, find_output
from flows.promote.publish import STAGE
from flows.promote.registry import Registry
from flows.run.dvc_runner import stage_environment
from flows.settings import NightlySettings

CHECKOUTS = Path(".tandem/reproduce")
TOLERANCE = 1e-6  # another processor or another build of torch rounds the last digits differently


class ReproduceError(TandemError):
    """A version that cannot be made again from its lineage."""


@dataclass(frozen=True)
class ReproducedMetric:
    """A metric as it was published and as it was reproduced."""

    name: str
    published: float | None
    reproduced: float | None

    @property
    def is_same(self) -> bool:
        """Whether both are the same to a millionth."""
        if self.published is None or self.reproduced is None:
            return False
        return math.isclose(self.published, self.reproduced, rel_tol=TOLERANCE, abs_tol=TOLERANCE)


@dataclass(frozen=True)
class Reproduction:
    """The result: every metric, the files whose bytes differ, and what may explain a difference.

    as_published: stages whose inputs are no longer here, so that their outputs were taken from DVC's cache.
    other_packages: packages whose version here differs from the one that made the bundle.
    """

    folder: Path
    metrics: list[ReproducedMetric]
    n_files: int
    other_files: list[str]
    as_published: list[str]
    other_packages: list[str]

    @property
    def n_same(self) -> int:
        """How many metrics are the same."""
        return sum(metric.is_same for metric in self.metrics)

    @property
    def is_same(self) -> bool:
        """Whether every metric is the same."""
        return self.n_same == len(self.metrics)


def reproduce_version(root: Path, settings: NightlySettings, name: str) -> Reproduction:
    """Check out a version's commit beside this project, run its whole graph again, and compare.

    name: a version's number or an alias. Stages run even if DVC's cache holds their outputs. Only stages with inputs
    that git does not hold and that have changed since, such as an older feed, are taken as published.
    Raises ReproduceError if the lineage does not suffice or a stage fails.
    """
    registry = Registry(settings.registered_model, root)
    version = registry.get_version(name)
    folder = root / CHECKOUTS / str(version.version)
    check_out(root, folder, _find_commit(version))
    # The version's own lock: the commit may have been made before the run that wrote it.
    shutil.copyfile(_fetch_artifact(version, LOCK), folder / LOCK)
    _share_inputs(root, folder)
    as_published = _take_as_published(folder)
    _run_dvc(folder, "repro", "--force")
    published = registry.fetch_bundle(version)
    old, new = read_manifest(published), read_manifest(find_output(folder, STAGE))
    return Reproduction(
        folder,
        _pair_metrics(old["metrics"], new["metrics"]),
        n_files=len(old["files"]),
        other_files=sorted(name for name, digest in old["files"].items() if new["files"].get(name) != digest),
        as_published=as_published,
        other_packages=_list_other_packages(published.parents[1] / "requirements.txt"),
    )


def _find_commit(version: ModelVersion) -> str:
    """Return the commit that made a version; raise ReproduceError if it does not hold all the code."""
    commit = version.tags.get("commit", "none")
    if commit == "none":
        raise ReproduceError(
            f"Version {version.version} was made outside git: no commit holds its code. "
            "Put the project under git and commit before a run whose result is to be made again."
        )
    changed = mlflow.artifacts.load_dict(_fetch_artifact(version, "lineage.json").as_uri())["uncommitted"]
    if changed:
        raise ReproduceError(
            f"Version {version.version} was made with files that no commit holds: {', '.join(changed)}. "
            "Commit before a run whose result is to be made again."
        )
    return str(commit)


def _fetch_artifact(version: ModelVersion, name: str) -> Path:
    """Return a file of the MLflow run that validated a version."""
    try:
        return Path(mlflow.artifacts.download_artifacts(f"runs:/{version.tags['run_id']}/{name}"))
    except (KeyError, MlflowException, OSError) as error:
        raise ReproduceError(
            f"{name} of version {version.version} cannot be read from MLflow: {error}. Restore its artifacts."
        ) from None


def check_out(root: Path, folder: Path, commit: str) -> None:
    """Make the folder anew: the project at a commit, sharing DVC's cache."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    # A shared clone and no git worktree: a worktree would stay registered in the project after rmtree.
    clone = ["clone", "--quiet", "--shared", "--no-checkout", str(root), str(folder)]
    for command in (clone, ["-C", str(folder), "checkout", "--quiet", "--detach", commit]):
        done = subprocess.run(["git", *command], capture_output=True, text=True, check=False)
        if done.returncode:
            raise ReproduceError(
                f"Commit {commit} cannot be checked out: {done.stderr.strip()}. Fetch it with: git fetch"
            )
    with Repo(str(root)) as repo:
        cache = repo.cache.local.path
    (folder / ".dvc" / "config.local").write_text(f"[cache]\n    dir = {cache}\n")


def _share_inputs(root: Path, folder: Path) -> None:
    """Link the inputs that neither git nor DVC holds, such as the inbox, from where they are now."""
    with Repo(str(root)) as repo:
        inputs = []
        for stage in repo.index.stages:
            inputs += [os.path.relpath(dep.fs_path, root) for dep in stage.deps]
        # A clone lacks exactly the files that git ignores.
        ignored = subprocess.run(
            ["git", "ls-files", "--others", "--ignored", "--exclude-standard", "--", *inputs],
            cwd=root, capture_output=True, text=True, check=True,
        ).stdout.splitlines()  # fmt: skip
        outputs = _list_outputs(repo)
        for name in ignored:
            file = root / name
            if not repo.dvcignore.is_ignored_file(str(file)) and not _is_inside(file, outputs):
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).symlink_to(file)


def _take_as_published(folder: Path) -> list[str]:
    """Freeze the stages whose own inputs have changed, fetch the outputs that they had, and return their names."""
    with Repo(str(folder)) as repo:
        outputs = _list_outputs(repo)
        changed = []
        for stage in repo.index.stages:
            # Inputs that other stages make are left out: those are made again before this stage runs.
            if any(dep.status() for dep in stage.deps if not _is_inside(Path(dep.fs_path), outputs)):
                changed.append(str(stage.name))
        fetch = "pull" if repo.config["core"].get("remote") else "checkout"
    for name in changed:
        _run_dvc(folder, "freeze", name)  # `repro --force` passes over a frozen stage
        _run_dvc(folder, fetch, name)
    return changed


def _list_outputs(repo: Repo) -> list[Path]:
    return [Path(out.fs_path) for out in repo.index.outs]


def _is_inside(path: Path, folders: list[Path]) -> bool:
    return any(map(path.is_relative_to, folders))


def _run_dvc(folder: Path, *command: str) -> None:
    """Run a DVC command in the folder with the folder's own code; its output is shown."""
    own = stage_environment() | {"PYTHONPATH": str(folder.resolve())}  # not the code that is installed here
    done = subprocess.run([sys.executable, "-m", "dvc", *command], cwd=folder, env=own, check=False)
    if done.returncode:
        raise ReproduceError(
            f"dvc {' '.join(command)} failed in {folder}. Correct what it printed above, then run again."
        )


def _pair_metrics(published: dict[str, Any], reproduced: dict[str, Any]) -> list[ReproducedMetric]:
    names = dict.fromkeys([*published, *reproduced])
    return [ReproducedMetric(name, published.get(name), reproduced.get(name)) for name in names]


def _list_other_packages(requirements: Path) -> list[str]:
    """Return the packages that made the bundle at another version than is installed here."""
    differing = []
    for package in map(Requirement, filter(str.strip, requirements.read_text().splitlines())):
        try:
            here = installed(package.name).split("+")[0]  # requirements.txt has no build suffix, such as +cpu
        except PackageNotFoundError:
            here = "none"
        if here not in package.specifier:
            differing.append(f"{package} (here {here})")
    return differing
