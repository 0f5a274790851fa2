"""What a run survives: after each fault one plain run ends well, and what was finished before is kept."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from flows.promote.registry import RegistryError
from flows.run.dvc_lock_backup import back_up_lock, restore_lock
from flows.run.nightly import RunError, nightly
from tests.flows.test_nightly import start, wait_for
from tests.flows.test_selection import give_stage
from tests.servers import Server, free_port, prefect_server

Ran = Callable[[], list[str]]
TOTAL = str(sum(n**2 + n**3 for n in range(5)))


def run(project: Path) -> None:
    """One plain run, which must end well."""
    nightly(project, publishing=False)
    assert (project / "total.txt").read_text() == TOTAL


def test_locks_left_behind_whose_numbers_other_processes_have_now_do_not_stop_a_run(project: Path) -> None:
    (project / ".tandem").mkdir()
    (project / ".tandem/run.lock").touch()
    locks = project / ".dvc/tmp/rwlock"
    locks.parent.mkdir(exist_ok=True)
    with subprocess.Popen(["sleep", "600"]) as stranger:
        holder = {"pid": stranger.pid, "cmd": "dvc repro"}
        locks.write_text(json.dumps({"write": {str(project / "squares.txt"): holder}, "read": {}}))
        yesterday = time.time() - 86400
        os.utime(locks, (yesterday, yesterday))
        try:
            run(project)
        finally:
            stranger.kill()


def test_locks_written_by_half_do_not_stop_a_run(project: Path) -> None:
    (project / ".dvc/tmp").mkdir(exist_ok=True)
    (project / ".dvc/tmp/rwlock").write_text('{"write": {"/some')
    run(project)


def test_a_lock_file_written_by_half_is_mended_and_nothing_runs_again(done: Path, ran: Ran) -> None:
    file = done / "dvc.lock"
    whole = file.read_bytes()
    back_up_lock(done)
    for kept in range(0, len(whole) - 1, 40):
        file.write_bytes(whole[:kept])
        restore_lock(done)
        assert file.read_bytes() == whole or whole[:kept].endswith(b"\n"), (
            "DVC reads a file cut between entries"
        )
    file.write_bytes(whole[: len(whole) // 2])
    run(done)
    assert ran() == [] and file.read_bytes() == whole


@pytest.fixture
def small_disk(project: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The same project on a disk of 12 MB of its own; skipped where disks cannot be mounted.

    MLflow's database is beside it: this process keeps it open, and a disk with an open file cannot be made read-only.
    """
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{project / 'mlflow.db'}")
    disk = project / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "none", disk], check=False)
    if mounted.returncode != 0:
        pytest.skip("mounting a disk needs root")
    for name in ("conf", "dvc.yaml", "stages.py", ".dvc", ".dvcignore"):
        if (project / name).exists():
            subprocess.run(["cp", "-r", project / name, disk], check=True)
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def test_a_full_disk_stops_the_run_and_with_room_again_it_goes_on(small_disk: Path, ran: Ran) -> None:
    give_stage(small_disk, '    pathlib.Path("much").write_bytes(bytes(50_000_000))\n')
    with pytest.raises(RunError, match="No space left on device"):
        nightly(small_disk, publishing=False)
    (small_disk / "much").unlink()
    give_back = (small_disk / "stages.py").read_text().replace("50_000_000", "50")
    (small_disk / "stages.py").write_text(give_back)
    (small_disk / "ran.txt").unlink()
    run(small_disk)
    assert "numbers" not in (small_disk / "ran.txt").read_text().split()


def test_a_disk_that_is_read_only_is_named_and_nothing_is_lost(small_disk: Path) -> None:
    run(small_disk)
    (small_disk / "conf/squares.yaml").write_text("power: 2\nsleep: 0\n")
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    try:
        with pytest.raises(RunError, match=r"cannot be written to.*Read-only"):
            nightly(small_disk, publishing=False)
    finally:
        subprocess.run(["mount", "-o", "remount,rw", small_disk], check=True)
    run(small_disk)


def test_no_mlflow_at_the_start_is_a_message_before_anything_runs(
    project: Path, ran: Ran, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow

    before = mlflow.get_tracking_uri()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    mlflow.set_tracking_uri("http://127.0.0.1:9")
    with pytest.raises(RegistryError, match=r"does not answer at http://127\.0\.0\.1:9"):
        nightly(project, publishing=False)
    assert ran() == []
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    mlflow.set_tracking_uri(before)
    run(project)


@pytest.mark.slow
def test_an_mlflow_that_ends_in_the_middle_fails_the_stage_and_the_next_run_goes_on(
    project: Path, ran: Ran, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow

    port = free_port()
    address = f"http://127.0.0.1:{port}"
    command = [
        sys.executable, "-m", "mlflow", "server", "--port", str(port), "--workers", "1",
        "--backend-store-uri", f"sqlite:///{project / 'server.db'}",
    ]  # fmt: skip
    server = Server(command, project, f"{address}/health")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(address)
    tracked = (
        "    import mlflow\n"
        "    with mlflow.start_run():\n"
        "        pathlib.Path('training').touch()\n"
        "        while pathlib.Path('wait').exists(): time.sleep(0.1)\n"
        "        mlflow.log_metric('power', 2)\n"
    )
    give_stage(project, tracked, retries=0)
    (project / "wait").touch()
    server.start()
    try:
        first = subprocess.Popen(
            [sys.executable, "-c", "import sys; from flows.run.nightly import nightly; nightly(sys.argv[1], False)", project],
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        while not (project / "training").exists():
            assert first.poll() is None, first.communicate()[1]
            time.sleep(0.1)
        server.kill()
        (project / "wait").unlink()
        _, printed = first.communicate(timeout=120)
        assert first.returncode != 0 and "Stage squares failed" in printed
        assert not (project / "squares.txt").exists()
        ran()
        server.start()
        run(project)
        assert ran() == ["squares", "total"]
        runs = mlflow.search_runs(search_all_experiments=True, output_format="list")
        assert next(one.info.status for one in runs) == "FINISHED"
    finally:
        server.kill()
        mlflow.set_tracking_uri(before)


@pytest.mark.slow
def test_a_prefect_that_is_away_in_the_middle_stops_no_stage_and_the_next_run_goes_on(
    project: Path, ran: Ran
) -> None:
    give_stage(project, "    while pathlib.Path('wait').exists(): time.sleep(0.1)\n")
    (project / "wait").touch()
    port = free_port()
    api = f"http://127.0.0.1:{port}/api"
    server = prefect_server(project, port)
    server.start()
    try:
        first = start(project, api)
        wait_for(project / ".tandem/logs/squares.log", "squaring")
        server.kill()
        (project / "wait").unlink()
        wait_for(project / "total.txt", TOTAL)
        server.start()
        first.wait(timeout=300)
        ran()
        assert start(project, api).wait(timeout=300) == 0, (project / "printed.txt").read_text()
        assert ran() == []
        states = [one["state_name"] for one in httpx.post(f"{api}/flow_runs/filter", json={}).json()]
        assert len(states) == 2 and "Running" not in states and "Completed" in states
    finally:
        server.kill()
