"""A small project with a real graph, run by real DVC and Prefect."""

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


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project of four stages: numbers, then squares and cubes at once, then their total."""
    (tmp_path / "conf").mkdir()
    (tmp_path / "dvc.yaml").write_text(GRAPH)
    (tmp_path / "stages.py").write_text(STAGES)
    (tmp_path / "conf/numbers.yaml").write_text("count: 5\n")
    (tmp_path / "conf/squares.yaml").write_text("power: 2\n")
    (tmp_path / "conf/nightly.yaml").write_text("parallel_stages: 2\nheartbeat_seconds: 1\n")
    subprocess.run([sys.executable, "-m", "dvc", "init", "--quiet", "--no-scm"], cwd=tmp_path, check=True)
    with (tmp_path / ".dvc/config").open("a") as config:
        config.write("    analytics = false\n    check_update = false\n")
    return tmp_path


@pytest.fixture
def ran(project: Path) -> Callable[[], list[str]]:
    """Which stages have run since the last call, in the order in which they began."""

    def read() -> list[str]:
        log = project / "ran.txt"
        names = log.read_text().split() if log.exists() else []
        log.unlink(missing_ok=True)
        return names

    return read
