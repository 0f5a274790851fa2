"""A second workspace has the project's files, another catalogue, and the first one's cache."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from flows.run.workspace import WorkspaceError, open_workspace

PROJECT = Path(__file__).parents[2]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("dvc.yaml", "conf/catalogue.yaml", ".dvc/config"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(PROJECT / name, tmp_path / name)
    (tmp_path / ".gitignore").write_text(".tandem\n")
    (tmp_path / "dvc.lock").write_text("schema: '2.0'\n")
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    return tmp_path


def dvc(folder: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "dvc", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout.strip()


def test_it_reads_the_named_catalogue_and_shares_the_cache(root: Path) -> None:
    workspace = open_workspace(root, "fashion")
    assert workspace == root / ".tandem/fashion"
    assert "source: fashion" in (workspace / "conf/catalogue.yaml").read_text().splitlines()
    assert (workspace / "dvc.yaml").read_bytes() == (root / "dvc.yaml").read_bytes()
    assert not (workspace / "dvc.lock").exists(), "what the project has run says nothing of the workspace"
    assert dvc(workspace, "cache", "dir") == str(root / ".dvc/cache")
    assert dvc(workspace, "stage", "list", "--name-only").split("\n")[0] == "packages"
    assert "source: movielens" in (root / "conf/catalogue.yaml").read_text(), "the project stays as it is"


def test_opened_again_it_follows_the_project_and_keeps_what_it_has_made(root: Path) -> None:
    workspace = open_workspace(root, "fashion")
    (workspace / "dvc.lock").write_text("its own")
    (root / "dvc.yaml").write_text("stages: {}\n")
    open_workspace(root, "fashion")
    assert (workspace / "dvc.yaml").read_text() == "stages: {}\n"
    assert (workspace / "dvc.lock").read_text() == "its own"


def test_settings_that_name_no_source_are_refused(root: Path) -> None:
    (root / "conf/catalogue.yaml").write_text("folder: data/inbox\n")
    with pytest.raises(WorkspaceError, match="no line `source:`"):
        open_workspace(root, "fashion")
