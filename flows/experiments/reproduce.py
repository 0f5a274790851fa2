"""Make a published version again from nothing but its lineage, and hold what comes out against what was published."""

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
from flows.promote.lineage import LOCK, output_of
from flows.promote.publish import STAGE
from flows.promote.registry import Registry
from flows.run.dvc_runner import environment
from flows.settings import NightlySettings

PLACE = Path(".tandem/reproduce")
TOLERANCE = 1e-6


class ReproduceError(TandemError):
    """A version that cannot be made again from what is known of it."""


@dataclass(frozen=True)
class ReproducedMetric:
    """A figure as it was published and as it came out again."""

    name: str
    published: float | None
    reproduced: float | None

    @property
    def same(self) -> bool:
        """Whether both are the same to a millionth."""
        if self.published is None or self.reproduced is None:
            return False
        return math.isclose(self.published, self.reproduced, rel_tol=TOLERANCE, abs_tol=TOLERANCE)


@dataclass(frozen=True)
class Reproduction:
    """What came out: every figure, which files have other bytes, and what may explain a difference.

    as_published: stages whose inputs are no longer here, so that their outputs were taken from DVC's cache.
    other_packages: packages whose version here is not the one that made the bundle.
    """

    folder: Path
    figures: list[ReproducedMetric]
    files: int
    other_files: list[str]
    as_published: list[str]
    other_packages: list[str]

    @property
    def same(self) -> bool:
        """Whether every figure is the same."""
        return all(figure.same for figure in self.figures)


def reproduce(root: Path, settings: NightlySettings, named: str) -> Reproduction:
    """Check out a version's commit beside this project, run its whole graph again, and compare.

    named: a version's number or an alias. Stages run even where DVC's cache holds their outputs; only those whose
    inputs git does not hold and which have changed since, such as an older feed, are taken as published.
    Raises ReproduceError where the lineage does not suffice or a stage fails.
    """
    registry = Registry(settings.registered_model, root)
    version = registry.version(named)
    folder = root / PLACE / str(version.version)
    check_out(root, folder, _commit(version))
    shutil.copyfile(_artifact(version, LOCK), folder / LOCK)
    _share_inputs(root, folder)
    taken = _take_as_published(folder)
    _dvc(folder, "repro", "--force")
    published = registry.bundle(version)
    old = read_manifest(published)
    new = read_manifest(output_of(folder, STAGE))
    return Reproduction(
        folder,
        _figures(old["metrics"], new["metrics"]),
        len(old["files"]),
        sorted(name for name, content in old["files"].items() if new["files"].get(name) != content),
        taken,
        _other_packages(published.parents[1] / "requirements.txt"),
    )


def _commit(version: ModelVersion) -> str:
    """The commit that made a version."""
    commit = version.tags.get("commit", "none")
    if commit == "none":
        raise ReproduceError(f"Version {version.version} was made outside git: no commit holds its code.")
    changed = mlflow.artifacts.load_dict(_artifact(version, "lineage.json").as_uri())["uncommitted"]
    if changed:
        raise ReproduceError(
            f"Version {version.version} was made with files that no commit holds: {', '.join(changed)}. "
            "Commit before a run whose result is to be made again."
        )
    return str(commit)


def _artifact(version: ModelVersion, name: str) -> Path:
    """A file that the trial of a version left."""
    try:
        return Path(mlflow.artifacts.download_artifacts(f"runs:/{version.tags['run_id']}/{name}"))
    except (KeyError, MlflowException, OSError) as fault:
        raise ReproduceError(
            f"{name} of version {version.version} cannot be read from MLflow: {fault}. Restore its artifacts."
        ) from None


def check_out(root: Path, folder: Path, commit: str) -> None:
    """Make the folder anew: the project as a commit has it, sharing DVC's cache."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    for command in (
        ["clone", "--quiet", "--shared", "--no-checkout", str(root), str(folder)],
        ["-C", str(folder), "checkout", "--quiet", "--detach", commit],
    ):
        done = subprocess.run(["git", *command], capture_output=True, text=True, check=False)
        if done.returncode:
            raise ReproduceError(
                f"Commit {commit} cannot be checked out: {done.stderr.strip()}. Fetch it with: git fetch"
            )
    with Repo(str(root)) as repo:
        cache = repo.cache.local.path
    (folder / ".dvc" / "config.local").write_text(f"[cache]\n    dir = {cache}\n")


def _share_inputs(root: Path, folder: Path) -> None:
    """Link inputs that neither git nor DVC holds, such as the inbox, from where they lie now."""
    with Repo(str(root)) as repo:
        inputs = [os.path.relpath(dep.fs_path, root) for stage in repo.index.stages for dep in stage.deps]
        ignored = subprocess.run(
            ["git", "ls-files", "--others", "--ignored", "--exclude-standard", "--", *inputs],
            cwd=root, capture_output=True, text=True, check=True,
        ).stdout.splitlines()  # fmt: skip
        made = [Path(out.fs_path) for out in repo.index.outs]
        for name in ignored:
            file = root / name
            if not repo.dvcignore.is_ignored_file(str(file)) and not _is_inside(file, made):
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).symlink_to(file)


def _take_as_published(folder: Path) -> list[str]:
    """Freeze the stages whose own inputs are not as they were, with the outputs that they had; gives their names."""
    with Repo(str(folder)) as repo:
        made = [Path(out.fs_path) for out in repo.index.outs]
        changed = [
            str(stage.name)
            for stage in repo.index.stages
            if any(dep.status() for dep in stage.deps if not _is_inside(Path(dep.fs_path), made))
        ]
        fetch = "pull" if repo.config["core"].get("remote") else "checkout"
    for name in changed:
        _dvc(folder, "freeze", name)
        _dvc(folder, fetch, name)
    return changed


def _is_inside(path: Path, folders: list[Path]) -> bool:
    return any(path.is_relative_to(folder) for folder in folders)


def _dvc(folder: Path, *command: str) -> None:
    """Let DVC do something in the folder with the folder's own code; what it prints is shown."""
    own = environment() | {"PYTHONPATH": str(folder.resolve())}
    done = subprocess.run([sys.executable, "-m", "dvc", *command], cwd=folder, env=own, check=False)
    if done.returncode:
        raise ReproduceError(f"dvc {' '.join(command)} failed in {folder}: see above what it printed.")


def _figures(published: dict[str, Any], reproduced: dict[str, Any]) -> list[ReproducedMetric]:
    names = dict.fromkeys([*published, *reproduced])
    return [ReproducedMetric(name, published.get(name), reproduced.get(name)) for name in names]


def _other_packages(requirements: Path) -> list[str]:
    """Packages that made the bundle at another version than is installed here."""
    needed = [Requirement(line) for line in requirements.read_text().splitlines() if line.strip()]
    differing = []
    for package in needed:
        try:
            here = installed(package.name).split("+")[0]
        except PackageNotFoundError:
            here = "none"
        if here not in package.specifier:
            differing.append(f"{package} (here {here})")
    return differing
