"""The nightly flow over a real graph: what runs, what is kept, and what a fault leaves behind."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from flows.run.nightly import RunError, nightly
from flows.run.run_lock import mark_environment
from tests.processes import processes_of

Ran = Callable[[], list[str]]
ASKING = """\
stages:
  ask:
    cmd: python ask.py
    outs: [answers.txt]
    metrics: [report.json: {cache: false}]
"""
ASKS_TWO_A_NIGHT = """\
import json, pathlib
kept = pathlib.Path("kept.txt")
answers = (kept.read_text().split() if kept.exists() else []) + ["answer", "answer"]
kept.write_text(" ".join(answers[:3]))
pathlib.Path("answers.txt").write_text(kept.read_text())
pathlib.Path("report.json").write_text(json.dumps({"unfinished": 3 - len(answers[:3])}))
with open("ran.txt", "a") as ran:
    ran.write("ask\\n")
"""


def test_stages_run_in_the_graphs_order_and_a_second_run_runs_none(project: Path, ran: Ran) -> None:
    nightly(project, publishing=False)
    order = ran()
    assert order[0] == "numbers"
    assert set(order[1:3]) == {"squares", "cubes"}
    assert order[3:] == ["total"]
    assert (project / "total.txt").read_text() == str(sum(n**2 + n**3 for n in range(5)))

    nightly(project, publishing=False)
    assert ran() == []


def test_a_changed_setting_runs_its_stage_and_those_after_it(done: Path, ran: Ran) -> None:
    (done / "conf/squares.yaml").write_text("power: 2\nsleep: 0.1\n")
    nightly(done, publishing=False)
    assert ran() == ["squares"], "the squares are the same, so their total is not added up again"


def test_a_stage_that_left_work_runs_again_until_none_is_left(project: Path, ran: Ran) -> None:
    (project / "dvc.yaml").write_text(ASKING)
    (project / "ask.py").write_text(ASKS_TWO_A_NIGHT)
    for left in (1, 0):
        nightly(project, publishing=False)
        assert ran() == ["ask"]
        assert json.loads((project / "report.json").read_text()) == {"unfinished": left}
    nightly(project, publishing=False)
    assert ran() == [], "nothing is left, and nothing has changed"


def test_a_setting_put_back_restores_results_without_running(done: Path, ran: Ran) -> None:
    (done / "conf/numbers.yaml").write_text("count: 6\n")
    nightly(done, publishing=False)
    ran()
    (done / "conf/numbers.yaml").write_text("count: 5\n")
    nightly(done, publishing=False)
    assert ran() == []
    assert (done / "total.txt").read_text() == str(sum(n**2 + n**3 for n in range(5)))


def test_a_failed_stage_is_named_with_what_it_printed_and_the_others_are_kept(
    project: Path, ran: Ran
) -> None:
    (project / "conf/squares.yaml").write_text("fail: true\n")
    with pytest.raises(RunError, match=r"(?s)squares failed.*word 3: is not a number"):
        nightly(project, publishing=False)
    assert sorted(ran()) == ["cubes", "numbers", "squares"]

    (project / "conf/squares.yaml").write_text("power: 2\n")
    nightly(project, publishing=False)
    assert ran() == ["squares", "total"]


def start(project: Path, api: str | None = None) -> subprocess.Popen[bytes]:
    """Start a run in a process of its own, which reports to a server, or else to a temporary API of its own."""
    program = "import sys; from flows.run.nightly import nightly; nightly(sys.argv[1], publishing=False)"
    command = [sys.executable, "-c", program, str(project)]
    own = {"PREFECT_HOME": str(project), "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120"}
    if api is not None:
        own["PREFECT_API_URL"] = api
    with (project / "printed.txt").open("w") as printed:
        return subprocess.Popen(
            command, env=os.environ | own | mark_environment(project), stdout=printed, stderr=printed
        )


def wait_for(file: Path, text: str, seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while not (file.exists() and text in file.read_text()):
        assert time.monotonic() < deadline, f"{text!r} did not appear in {file}"
        time.sleep(0.05)


def test_after_kill_9_in_a_stage_the_next_run_resumes_with_no_lock_left(project: Path, ran: Ran) -> None:
    (project / "conf/squares.yaml").write_text("sleep: 600\n")
    killed = start(project)
    wait_for(project / ".tandem/logs/squares.log", "squaring")
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    assert ran()[0] == "numbers"

    (project / "conf/squares.yaml").write_text("sleep: 0\n")
    nightly(project, publishing=False)
    assert "numbers" not in ran()
    assert (project / "total.txt").exists()
    assert processes_of(project) == [], "the killed run's stage and its temporary API have ended"


def test_a_second_run_while_one_is_on_leaves_with_a_message(project: Path) -> None:
    (project / "conf/squares.yaml").write_text("sleep: 600\n")
    first = start(project)
    try:
        wait_for(project / ".tandem/logs/squares.log", "squaring")
        with pytest.raises(RunError, match="Another run is on"):
            nightly(project, publishing=False)
    finally:
        first.kill()
        first.wait()
        for process in processes_of(project):
            process.kill()
