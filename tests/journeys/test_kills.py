"""Kill -9 in every stage of the graph, one after the other: each next run goes on, and nothing is lost."""

import multiprocessing
import os
import shutil
import sys
import time
from collections.abc import Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path

import mlflow
import pytest
import yaml
from prefect.settings import PREFECT_API_URL
from prefect.testing.utilities import prefect_test_harness

from components.bundle.manifest import verify_files
from flows.promote.registry import Registry
from tests.journeys.clone import PROJECT, Clone
from tests.processes import processes_of

pytestmark = pytest.mark.endurance
BEGUN = "> python -m components."
PATIENCES = (1.0, 0.3, 0.0)


@pytest.fixture
def api() -> Iterator[str]:
    """The address of a Prefect API that outlives the runs."""
    with prefect_test_harness(server_startup_timeout=120):
        yield str(PREFECT_API_URL.value())


def run(root: Path, api: str, printed: Path) -> None:
    """What a process does that is to be killed: one plain run in a folder."""
    with printed.open("w") as file:
        os.dup2(file.fileno(), sys.stdout.fileno())
        os.dup2(file.fileno(), sys.stderr.fileno())
    os.chdir(root)
    os.environ |= {"PYTHONPATH": str(root), "PREFECT_API_URL": api}
    mlflow.set_tracking_uri(f"sqlite:///{root / 'mlflow.db'}")
    from flows.run.nightly import nightly

    outcome = nightly(root)
    assert outcome is not None and outcome.version == "1", outcome


def under_way(root: Path, since: float) -> set[str]:
    """Stages whose commands have begun and not ended since a time."""
    logs = [log for log in (root / ".tandem/logs").glob("*.log") if log.stat().st_mtime > since]
    texts = {log.stem: log.read_text() for log in logs}
    return {name for name, text in texts.items() if BEGUN in text and " done in " not in text}


def wait_for_some(process: BaseProcess, root: Path, wanted: set[str], patience: float) -> set[str]:
    """The wanted stages that are under way some seconds after one began; none when the run has ended."""
    began = time.time()
    while process.is_alive():
        if under_way(root, began) & wanted:
            time.sleep(patience)
            if found := under_way(root, began) & wanted:
                return found
        time.sleep(0.05)
    return set()


def kill(process: BaseProcess, root: Path, all_of_it: bool) -> None:
    """End a run at once: its process alone, or with all that it started, as when the machine goes."""
    process.kill()
    process.join()
    for one in processes_of(root) if all_of_it else ():
        one.kill()


def forget(root: Path) -> None:
    """Remove what the graph made and DVC's memory of it; the champion stays."""
    for entry in yaml.safe_load((root / "dvc.lock").read_text())["stages"].values():
        for out in entry["outs"]:
            path = root / out["path"]
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    (root / "dvc.lock").unlink()
    shutil.rmtree(root / ".dvc/cache/runs")
    shutil.rmtree(root / ".tandem/parts")
    for file in root.glob(".tandem/dvc.lock"):
        file.unlink()


def test_after_kill_9_in_each_stage_runs_go_on_to_the_same_bytes_and_the_champion_is_whole(
    clone: Clone, first: str, api: str, tmp_path: Path
) -> None:
    before, unkilled = clone.outputs(), set(yaml.safe_load((PROJECT / "dvc.yaml").read_text())["stages"])
    clone.change("nightly", parallel_stages=6)  # more stages a kill
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["flows.run.nightly"])
    registry, printed = Registry("tandem", clone.root), tmp_path / "printed.txt"

    def start() -> BaseProcess:
        process = context.Process(target=run, args=(clone.root, api, printed))
        process.start()
        return process

    for patience in PATIENCES:  # a stage that ended before its kill is killed sooner the next time
        forget(clone.root)
        process = start()
        while found := wait_for_some(process, clone.root, unkilled, patience):
            kill(process, clone.root, all_of_it=len(unkilled) % 2 == 0)
            unkilled -= found
            champion = registry.get_champion()
            assert champion is not None and str(champion.version) == "1"
            verify_files(registry.fetch_bundle(champion))
            process = start()
        process.join()
        assert process.exitcode == 0, printed.read_text()
        assert clone.outputs() == before
        if not unkilled:
            break
    assert unkilled == set() and processes_of(clone.root) == []
