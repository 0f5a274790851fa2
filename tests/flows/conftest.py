"""A small project with a real graph, run by real DVC and Prefect."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from prefect.testing.utilities import prefect_test_harness

GRAPH = """\
stages:
  numbers:
    desc: Write some numbers
    cmd: python stages.py numbers numbers.txt
    params: [{conf/numbers.yaml: null}]
    outs: [numbers.txt]
  squares:
    desc: Square them
    cmd: python stages.py squares numbers.txt squares.txt
    deps: [numbers.txt]
    params: [{conf/squares.yaml: null}]
    outs: [squares.txt]
  cubes:
    desc: Cube them
    cmd: python stages.py cubes numbers.txt cubes.txt
    deps: [numbers.txt]
    outs: [cubes.txt]
  total:
    desc: Add everything
    cmd: python stages.py total squares.txt cubes.txt total.txt
    deps: [squares.txt, cubes.txt]
    outs: [total.txt]
"""
STAGES = """\
import pathlib, sys, time, yaml

def settings(room):
    return yaml.safe_load(pathlib.Path(f"conf/{room}.yaml").read_text())

def numbers(target):
    target.write_text(" ".join(str(n) for n in range(settings("numbers")["count"])))

def squares(source, target):
    power = settings("squares")
    print("squaring", flush=True)
    time.sleep(power.get("sleep", 0))
    if power.get("fail"):
        sys.exit("numbers.txt, word 3: is not a number. Write digits.")
    target.write_text(" ".join(str(int(n) ** 2) for n in source.read_text().split()))

def cubes(source, target):
    target.write_text(" ".join(str(int(n) ** 3) for n in source.read_text().split()))

def total(squares, cubes, target):
    target.write_text(str(sum(int(n) for part in (squares, cubes) for n in part.read_text().split())))

with open("ran.txt", "a") as ran:
    ran.write(sys.argv[1] + "\\n")
globals()[sys.argv[1]](*map(pathlib.Path, sys.argv[2:]))
"""


@pytest.fixture(scope="session", autouse=True)
def own_prefect() -> Iterator[None]:
    """One temporary API for all tests, apart from the machine's."""
    with prefect_test_harness(server_startup_timeout=120):
        yield


@pytest.fixture(autouse=True)
def own_tracking(monkeypatch: pytest.MonkeyPatch) -> None:
    """No server and no experiment that MLflow keeps in the environment since an earlier test of this process."""
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_ID"):
        monkeypatch.setenv(name, "")  # so that it is as it was when the test ends
        monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def new_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of four stages: numbers, then squares and cubes at once, then their total."""
    root = tmp_path_factory.mktemp("project")
    (root / "conf").mkdir()
    (root / "dvc.yaml").write_text(GRAPH)
    (root / "stages.py").write_text(STAGES)
    (root / "conf/numbers.yaml").write_text("count: 5\n")
    (root / "conf/squares.yaml").write_text("power: 2\n")
    (root / "conf/nightly.yaml").write_text("parallel_stages: 2\nheartbeat_seconds: 1\n")
    subprocess.run([sys.executable, "-m", "dvc", "init", "--quiet", "--no-scm"], cwd=root, check=True)
    with (root / ".dvc/config").open("a") as config:
        config.write("    analytics = false\n    check_update = false\n")
    return root


@pytest.fixture(scope="session")
def done_project(new_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same project when `dvc repro` has run every stage."""
    root = tmp_path_factory.mktemp("done") / "project"
    shutil.copytree(new_project, root)
    subprocess.run([sys.executable, "-m", "dvc", "repro", "--quiet"], cwd=root, check=True)
    (root / "ran.txt").unlink()
    return root


@pytest.fixture
def project(new_project: Path, tmp_path: Path) -> Path:
    """A project that no stage has run in yet, of one's own."""
    shutil.copytree(new_project, tmp_path, dirs_exist_ok=True)
    return tmp_path


@pytest.fixture
def done(done_project: Path, tmp_path: Path) -> Path:
    """A project that is up to date, of one's own."""
    shutil.copytree(done_project, tmp_path, dirs_exist_ok=True)
    (tmp_path / ".tandem").mkdir()
    return tmp_path


@pytest.fixture
def ran(tmp_path: Path) -> Callable[[], list[str]]:
    """Which stages have run since the last call, in the order in which they began."""

    def read() -> list[str]:
        log = tmp_path / "ran.txt"
        names = log.read_text().split() if log.exists() else []
        log.unlink(missing_ok=True)
        return names

    return read
