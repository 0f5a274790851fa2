"""Make a second workspace inside the first: the same code and cache, another catalogue, its own champion."""

import shutil
import subprocess
from pathlib import Path

from components.catalogue.settings import CatalogueSettings
from components.core.errors import TandemError

CATALOGUE = CatalogueSettings.default_path()


class WorkspaceError(TandemError):
    """A workspace that cannot be made."""


def open_workspace(root: Path, source: str) -> Path:
    """Make or refresh `.tandem/<source>`: the project's files as they are now, reading the named catalogue.

    Stages are shared through the DVC cache, so what both workspaces need is made once.
    Raises WorkspaceError if the settings name no source to replace.
    """
    workspace = root / ".tandem" / source
    workspace.mkdir(parents=True, exist_ok=True)
    for file in _list_project_files(root):
        target = workspace / file
        target.parent.mkdir(parents=True, exist_ok=True)
        # An equal file keeps its time, by which DVC knows without hashing that it has not changed.
        if not target.is_file() or target.read_bytes() != (root / file).read_bytes():
            shutil.copyfile(root / file, target)
    _set_source(workspace / CATALOGUE, source)
    (workspace / ".dvc").mkdir(exist_ok=True)
    shutil.copyfile(root / ".dvc" / "config", workspace / ".dvc" / "config")
    cache = (root / ".dvc" / "cache").resolve()
    # no_scm: git ignores the workspace, as part of the project around it.
    (workspace / ".dvc" / "config.local").write_text(
        f"[core]\n    no_scm = true\n[cache]\n    dir = {cache}\n"
    )
    return workspace


def _list_project_files(root: Path) -> list[Path]:
    """Return the files that git tracks or would track, except the lock file and DVC's own."""
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=root, capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    files = []
    for file in map(Path, listing):
        # The workspace's dvc.lock is its own: what the project has run says nothing of another catalogue.
        if file.parts[0] != ".dvc" and file.name != "dvc.lock" and (root / file).is_file():
            files.append(file)
    return files


def _set_source(settings: Path, source: str) -> None:
    """Replace the line `source:` as text: writing YAML anew would lose the comments that explain each key."""
    lines = settings.read_text().splitlines()
    new_lines = [f"source: {source}" if line.startswith("source:") else line for line in lines]
    if new_lines == lines and f"source: {source}" not in lines:
        raise WorkspaceError(f"{settings} has no line `source:`. Restore it with: git checkout {CATALOGUE}")
    settings.write_text("\n".join(new_lines) + "\n")
