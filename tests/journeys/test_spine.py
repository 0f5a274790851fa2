"""The whole way, as a newcomer goes it: run, run again, ask, serve, change a setting, roll back.

The made-up fashion shop is run with a small text model; everything else is what `make run` does.
"""

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pandas as pd
import pytest
import yaml

from tests.journeys.clone import PROJECT, Clone

GRANDCHILDREN = "My wife who loves shopping summer fashion for her grandchildren"
RECOMMENDER = {"elsa", "cold_start", "evaluate_recommender", "tune_weights", "index", "bundle"}
pytestmark = pytest.mark.slow


def test_a_first_run_makes_every_stage_and_publishes_the_champion(clone: Clone, first: str) -> None:
    graph = yaml.safe_load((PROJECT / "dvc.yaml").read_text())["stages"]
    assert clone.states(first) == dict.fromkeys(graph, "ran")
    assert "Published tandem@champion, version 1" in first
    assert "http://127.0.0.1:8000" in first
    status, _ = clone.start("dvc", "status").communicate()
    assert status.strip() == "Data and pipelines are up to date."


def test_a_second_run_does_no_work_and_registers_nothing(clone: Clone, first: str) -> None:
    printed = clone.tandem("run")
    assert set(clone.states(printed).values()) == {"cached"}
    assert "stays version 1" in printed


def test_search_gives_the_grandchildrens_summer_and_nothing_for_a_bomb(clone: Clone, first: str) -> None:
    items = pd.read_csv(PROJECT / "examples/fashion/items.csv", dtype=str).set_index("item_id")
    printed = clone.tandem("search", GRANDCHILDREN)
    found = re.findall(r"^ *\d+ +(\S+)", printed, re.MULTILINE)
    fitting = items.loc[found]
    children = fitting["audience"].str.contains("girls|boys|babies") & (fitting["season"] == "summer")
    assert len(found) == 10 and children.sum() >= 7, printed
    assert "No items are shown" in clone.tandem("search", "how to build a pipe bomb")


def test_descriptions_are_estimated_and_those_of_another_machine_taken_over(
    clone: Clone, first: str, tmp_path: Path
) -> None:
    printed = clone.tandem("enrich", "--estimate")
    assert re.search(r"items of the catalogue +572", printed), printed
    assert re.search(r"without a description +0", printed), (
        "the answers that came along describe every article"
    )
    file = tmp_path / "answers.jsonl"
    line = json.loads((PROJECT / "examples/fashion/enriched.jsonl").open().readline())
    file.write_text(json.dumps(line | {"item_hash": "another shop's"}) + "\n")
    assert "New answers: 1." in clone.tandem("enrich", "--merge", str(file))
    assert "New answers: 0." in clone.tandem("enrich", "--merge", str(file))


@pytest.fixture
def service(clone: Clone, first: str) -> Iterator[str]:
    """The address of `tandem serve` over the champion."""
    process = clone.start("tandem", "serve", "--port", "8765")
    address = "http://127.0.0.1:8765"
    try:
        for _ in range(240):
            try:
                httpx.get(f"{address}/readyz").raise_for_status()
                break
            except httpx.HTTPError:
                assert process.poll() is None, process.stdout.read() if process.stdout else ""
                time.sleep(0.5)
        yield address
    finally:
        process.terminate()
        process.wait()


def test_the_service_answers_what_the_command_line_answers(clone: Clone, service: str) -> None:
    hits = httpx.get(f"{service}/search", params={"q": GRANDCHILDREN, "k": 10}, timeout=60).json()["hits"]
    printed = clone.tandem("search", GRANDCHILDREN)
    assert [hit["item_id"] for hit in hits] == re.findall(r"^ *\d+ +(\S+)", printed, re.MULTILINE)
    blocked = httpx.get(f"{service}/search", params={"q": "how to build a pipe bomb"}, timeout=60).json()
    assert blocked["hits"] == [] and blocked["blocked"]["category"] == "explosives"


def test_a_version_is_made_again_from_its_commit_by_dvc_alone_with_the_same_bytes(
    clone: Clone, first: str
) -> None:
    printed = clone.tandem("reproduce", "1")
    told = re.search(r"(\d+) of (\d+) figures and (\d+) of (\d+) files are the same", printed)
    assert told is not None and told[1] == told[2] and told[3] == told[4], printed
    assert set(re.findall(r"Running stage '(\w+)'", printed)) == set(clone.states(first))
    again = Clone(clone.root / ".tandem/reproduce/1")
    assert again.outputs() == clone.outputs()


def test_a_changed_recommender_runs_only_what_hangs_on_it_and_a_rollback_goes_back(
    clone: Clone, first: str
) -> None:
    before = json.loads((clone.root / "data/bundle/manifest.json").read_text())["metrics"]
    clone.change("recommender", dimensions=96)
    printed = clone.tandem("run")
    ran = {stage for stage, state in clone.states(printed).items() if state != "cached"}
    assert ran == RECOMMENDER
    after = json.loads((clone.root / "data/bundle/manifest.json").read_text())["metrics"]
    assert after["search.hybrid_ndcg_10"] == before["search.hybrid_ndcg_10"]
    published = re.search(r"Published tandem@champion, version (\d+)", printed)
    assert published is not None
    assert f"Champion was version {published[1]}" in clone.tandem("rollback")


def test_a_champion_with_one_byte_changed_is_named_and_not_served(clone: Clone, first: str) -> None:
    versions = sorted(clone.root.glob("mlruns/**/artifacts/bundle/catalogue/items.parquet"))
    kept = [file.read_bytes() for file in versions]
    try:
        for file, content in zip(versions, kept, strict=True):
            file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        printed = clone.tandem("search", "shorts", status=2)
        assert "items.parquet has changed since it was built" in printed
        assert "Traceback" not in printed
    finally:
        for file, content in zip(versions, kept, strict=True):
            file.write_bytes(content)


def test_a_folder_without_items_stops_the_run_with_what_to_do(clone: Clone, first: str) -> None:
    clone.change("catalogue", source="folder")
    try:
        printed = clone.tandem("run", status=2)
        assert "holds no items.csv" in printed and "docs/own-catalogue.md" in printed
        assert clone.states(printed)["catalogue"] == "failed"
    finally:
        clone.change("catalogue", source="fashion")
