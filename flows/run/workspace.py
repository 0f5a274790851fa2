"""A second workspace inside the first: the same code and cache, another catalogue, its own champion."""

import shutil
import subprocess
from pathlib import Path

from components.core.errors import TandemError

CATALOGUE = Path("conf/catalogue.yaml")


class WorkspaceError(TandemError):
    """A workspace that cannot be made."""


def open_workspace(root: Path, source: str) -> Path:
    """Make or refresh `.tandem/<source>`: the project's files as they are now, reading the named catalogue.

    Stages are shared through the DVC cache, so what both workspaces need is made once.
    Raises WorkspaceError where the settings name no source to replace.
    """
    workspace = root / ".tandem" / source
    workspace.mkdir(parents=True, exist_ok=True)
    for file in _project_files(root):
        target = workspace / file
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.is_file() or target.read_bytes() != (root / file).read_bytes():
            shutil.copyfile(root / file, target)
    _choose(workspace / CATALOGUE, source)
    (workspace / ".dvc").mkdir(exist_ok=True)
    shutil.copyfile(root / ".dvc" / "config", workspace / ".dvc" / "config")
    cache = (root / ".dvc" / "cache").resolve()
    (workspace / ".dvc" / "config.local").write_text(
        f"[core]\n    no_scm = true\n[cache]\n    dir = {cache}\n"
    )
    return workspace


def _project_files(root: Path) -> list[Path]:
    """Files that git tracks or would track, the lock file and DVC's own left out."""
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=root, capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    files = [Path(name) for name in listing]
    return [
        file
        for file in files
        if file.parts[0] != ".dvc" and file.name != "dvc.lock" and (root / file).is_file()
    ]


def _choose(settings: Path, source: str) -> None:
    lines = settings.read_text().splitlines()
    chosen = [f"source: {source}" if line.startswith("source:") else line for line in lines]
    if chosen == lines and f"source: {source}" not in lines:
        raise WorkspaceError(f"{settings} has no line `source:`. Restore it with: git checkout {CATALOGUE}")
    settings.write_text("\n".join(chosen) + "\n")
