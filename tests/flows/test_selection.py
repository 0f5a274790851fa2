"""Parts of the graph by name or package, why each stage would run, and what a stage's error leads to."""

import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import yaml

from flows.run.graph import GraphError, explain_changes, read_graph, select_stages
from flows.run.nightly import RunError, nightly
from tests.flows.test_cli import tandem

PROJECT = Path(__file__).parents[2]
Ran = Callable[[], list[str]]


def names(**asked: list[str]) -> list[str]:
    return [node.name for node in select_stages(read_graph(PROJECT), **asked)]


def test_a_package_stands_for_its_stages_and_onward_takes_all_that_hang_on_them() -> None:
    assert names(only=["recommender"]) == ["elsa", "cold_start", "evaluate_recommender"]
    assert names(only=["encode", "scenes"]) == ["scenes", "encode"]
    assert names(onward=["elsa"]) == [
        "elsa", "cold_start", "evaluate_recommender", "tune_weights", "index", "bundle",
    ]  # fmt: skip
    assert {"finetune", "ethics", "cold_start", "bundle"} <= set(names(onward=["text_model"]))
    assert "elsa" not in names(onward=["text_model"])
    assert names() == [node.name for node in read_graph(PROJECT)]


def test_a_name_that_is_no_stage_is_answered_with_the_nearest() -> None:
    with pytest.raises(GraphError, match="Did you mean recommender"):
        names(only=["recomender"])


def test_only_runs_what_is_asked_for_and_leaves_the_rest_as_it_lies(done: Path, ran: Ran) -> None:
    (done / "conf/numbers.yaml").write_text("count: 6\n")
    (done / "conf/squares.yaml").write_text("power: 2\nsleep: 0\n")
    nightly(done, publishing=False, only=["squares"])
    assert ran() == ["squares"]
    nightly(done, publishing=False, onward=["numbers"])
    assert ran()[0] == "numbers"


def test_dry_run_gives_the_reason_of_each_stage_and_runs_none(done: Path, ran: Ran) -> None:
    (done / "conf/squares.yaml").write_text("power: 2\nsleep: 0\n")
    reasons = explain_changes(read_graph(done))
    assert reasons["numbers"] == reasons["cubes"] == ()
    assert reasons["squares"] == ("conf/squares.yaml, sleep: new",)
    assert reasons["total"] == ("if squares gives something new",)
    answer = tandem(done, "run", "--only", "squares", "--dry-run")
    assert answer.returncode == 0, answer.stderr
    assert re.search(r"squares +to run +conf/squares.yaml, sleep: new", answer.stdout)
    assert "cubes" not in answer.stdout and ran() == []


def give_stage(project: Path, program: str, **settings: object) -> None:
    """Let the stage `squares` begin with these lines of Python, and the run have these settings."""
    file = project / "stages.py"
    file.write_text(
        file.read_text().replace(
            '    print("squaring", flush=True)\n', f'    print("squaring", flush=True)\n{program}'
        )
    )
    (project / "conf/nightly.yaml").write_text(
        yaml.safe_dump({"heartbeat_seconds": 60, "retry_seconds": 0.1} | settings)
    )


FAILS_TWICE = """\
    tries = pathlib.Path("tries.txt")
    tries.write_text((tries.read_text() if tries.exists() else "") + "x")
    if len(tries.read_text()) < 3:
        sys.exit({status})
"""


def test_a_fault_that_may_pass_is_tried_again_until_it_has_passed(project: Path) -> None:
    give_stage(project, FAILS_TWICE.format(status=75))
    nightly(project, publishing=False)
    assert (project / "tries.txt").read_text() == "xxx" and (project / "total.txt").exists()


def test_a_fault_that_stays_is_not_tried_again(project: Path) -> None:
    give_stage(project, FAILS_TWICE.format(status=2))
    with pytest.raises(RunError, match="Stage squares failed"):
        nightly(project, publishing=False)
    assert (project / "tries.txt").read_text() == "x"


def test_a_stage_that_takes_too_long_is_ended_with_all_that_it_started(project: Path, ran: Ran) -> None:
    child = '    import subprocess; subprocess.Popen(["sleep", "987654"]); time.sleep(600)\n'
    give_stage(project, child, stage_minutes_of={"squares": 0.05})
    began = time.monotonic()
    with pytest.raises(RunError, match=r"longer than 0\.05 minutes: see stage_minutes"):
        nightly(project, publishing=False)
    assert time.monotonic() - began < 120
    assert not [p for p in psutil.process_iter(["cmdline"]) if "987654" in (p.info["cmdline"] or [])]


def test_a_killed_child_is_told_of_as_most_often_out_of_memory(project: Path) -> None:
    give_stage(project, f"    import os; os.kill(os.getpid(), {signal.SIGKILL})\n")
    with pytest.raises(RunError, match="killed from outside: most often because memory ran out"):
        nightly(project, publishing=False)


REFUSED = """\
import sys
from pathlib import Path
from components.catalogue.settings import CatalogueSettings
from components.core.stage import Counts, Output, stage

@stage(CatalogueSettings)
def main(target: Output, settings: CatalogueSettings) -> Counts:
    target.write_text("half")
    {fault}
    return {{}}

main.cli()
"""
FAULTS = {
    "urllib.request.urlopen('http://127.0.0.1:9', timeout=5)": 75,
    "requests.get('http://127.0.0.1:9', timeout=5)": 75,
    "requests.get('http://name.invalid', timeout=5)": 75,
    "sqlalchemy.create_engine(f'sqlite:///{locked}?timeout=0').connect().execute(sqlalchemy.text('begin exclusive'))": 75,
    "open('/nowhere/at/all')": 1,
    "1 / 0": 1,
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_stages_exit_status_tells_whether_its_fault_may_pass(tmp_path: Path, fault: str) -> None:
    import sqlite3

    (tmp_path / "conf").mkdir()
    (tmp_path / "conf/catalogue.yaml").write_text("folder: inbox\n")
    locked = tmp_path / "locked.db"
    holder = sqlite3.connect(locked)
    holder.execute("begin exclusive")
    program = tmp_path / "broken.py"
    lines = f"import urllib.request, requests, sqlalchemy; locked = {str(locked)!r}; {fault}"
    program.write_text(REFUSED.format(fault=lines))
    command = [sys.executable, str(program), "out.txt"]
    answer = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    holder.close()
    assert answer.returncode == FAULTS[fault], answer.stderr
    assert list(tmp_path.glob("*out.txt")) == [], "nothing half is left"
