"""The command line explains itself, and a fault is one message."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from flows.cli.main import app

COMMANDS = (
    "run", "serve", "status", "publish", "promote", "rollback", "versions", "compare", "reproduce", "sweep", "search", "demo"
)  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_every_commands_help_has_an_example(command: str) -> None:
    answer = CliRunner().invoke(app, [command, "--help"])
    assert answer.exit_code == 0
    assert f"Example: tandem {command}" in answer.output


def tandem(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    own = {"MLFLOW_TRACKING_URI": f"sqlite:///{folder / 'mlflow.db'}", "COLUMNS": "200"}
    return subprocess.run(
        [Path(sys.executable).with_name("tandem"), *arguments],
        cwd=folder, env=os.environ | own, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_a_search_before_the_first_run_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf/nightly.yaml").write_text("registered_model: tandem\n")
    answer = tandem(tmp_path, "search", "shorts")
    assert answer.returncode == 2
    assert "no champion yet. Make one with: tandem run" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_a_folder_that_is_no_project_is_named(tmp_path: Path) -> None:
    answer = tandem(tmp_path, "status")
    assert answer.returncode == 2
    assert "holds no dvc.yaml" in answer.stderr


def test_status_tells_which_stages_would_run_and_why(project: Path) -> None:
    answer = tandem(project, "status")
    assert answer.returncode == 0, answer.stderr
    for stage in ("numbers", "squares", "cubes", "total"):
        assert stage in answer.stdout
    assert "numbers.txt: deleted" in answer.stdout
    assert "No champion yet" in answer.stdout
