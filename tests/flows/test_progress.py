"""What is printed while stages run, where the output is no terminal."""

import re
import time

import pytest

from flows.run.graph import StageNode
from flows.run.progress import ProgressTable

NODES = [
    StageNode("catalogue", "Read and check the tables", (), ()),
    StageNode("evaluate_recommender", "Measure " + "very " * 40 + "thoroughly", ("catalogue",), ()),
    StageNode("index", "Build the index", ("catalogue",), ()),
]


def test_every_stage_stands_in_the_last_table_with_state_and_seconds(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with ProgressTable(NODES, heartbeat_seconds=60) as progress:
        progress.start_stage("catalogue")
        progress.end_stage("catalogue", "ran", 12.34)
        progress.start_stage("evaluate_recommender")
        progress.end_stage("evaluate_recommender", "failed", 1.0)
    printed = capsys.readouterr().out
    assert re.search(r"✔ +catalogue +ran +12\.3 +Read and check the tables", printed)
    assert re.search(r"✘ +evaluate_recommender +failed +1\.0 +Measure very", printed)
    assert re.search(r"– +index +not run +Build the index", printed)
    assert "1 of 3 stages done" in printed


def test_a_heartbeat_says_what_runs_how_far_it_is_and_what_remains(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with ProgressTable(NODES, heartbeat_seconds=0.05) as progress:
        progress.start_stage("catalogue")
        progress.show_line("catalogue", "row [10] of 20")
        deadline, printed = time.monotonic() + 30, ""
        while "waiting" not in printed and time.monotonic() < deadline:
            time.sleep(0.05)
            printed += capsys.readouterr().out
    assert "catalogue, 0 s: row [10] of 20" in printed
    assert "0 of 3 stages done; waiting: evaluate_recommender, index" in printed


def test_no_line_is_wider_than_what_it_is_printed_on(capsys: pytest.CaptureFixture[str]) -> None:
    with ProgressTable(NODES, heartbeat_seconds=60) as progress:
        progress.start_stage("evaluate_recommender")
        progress.end_stage("evaluate_recommender", "ran", 1.0)
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 120
