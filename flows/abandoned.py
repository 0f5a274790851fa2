"""What a run that was killed leaves behind, ended before the next: processes, DVC's locks, a run shown as running."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

import psutil
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import State
from prefect.exceptions import ObjectNotFound
from prefect.states import Crashed

ROOT_VARIABLE, STAGE_VARIABLE = "TANDEM_RUN_ROOT", "TANDEM_RUN_STAGE"
DVC_LOCKS = Path(".dvc/tmp/rwlock")
LAST_RUN = Path(".tandem/last-run")


def mark(root: Path, stage: str = "") -> dict[str, str]:
    """What a process has in its environment by which it is known for one of a run, and of which of its stages."""
    return {ROOT_VARIABLE: str(root.resolve())} | ({STAGE_VARIABLE: stage} if stage else {})


def end_abandoned(root: Path) -> int:
    """End the processes of a run that was killed; returns how many there were. Call it with the run's lock held."""
    me = psutil.Process()
    mine = {me.pid, *(process.pid for process in [*me.parents(), *me.children(recursive=True)])}
    return _end([process for process in _marked(mark(root)) if process.pid not in mine])


def end_stage(root: Path, stage: str) -> int:
    """End every process of a stage under way, those that it started included; returns how many there were."""
    return _end(_marked(mark(root, stage)))


def _marked(marks: Mapping[str, str]) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if marks.items() <= process.environ().items():
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
    return found


def _end(processes: list[psutil.Process]) -> int:
    for process in processes:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(processes, timeout=10)
    return len(processes)


def free_locks(root: Path) -> int:
    """Drop DVC's locks whose holder has ended, though another process has its number now; returns how many.

    DVC itself drops locks of numbers that no process has. Whoever started after the locks were last written
    never held one: after a restart of the machine numbers are given anew.
    """
    file = root / DVC_LOCKS
    try:
        written, locks = file.stat().st_mtime, json.loads(file.read_text())
    except (FileNotFoundError, ValueError):
        file.unlink(missing_ok=True)  # half written: nobody holds what it told of
        return 0
    held = [(path, [info]) for path, info in locks.get("write", {}).items()] + [
        *locks.get("read", {}).items()
    ]
    gone = {info["pid"] for _, infos in held for info in infos if not _was_there(int(info["pid"]), written)}
    kept = {
        "write": {path: info for path, info in locks.get("write", {}).items() if info["pid"] not in gone},
        "read": {
            path: left
            for path, infos in locks.get("read", {}).items()
            if (left := [info for info in infos if info["pid"] not in gone])
        },
    }
    if gone:
        part = file.with_suffix(".part")
        part.write_text(json.dumps(kept))
        part.replace(file)
    return len(gone)


def _was_there(number: int, at: float) -> bool:
    try:
        return psutil.Process(number).create_time() <= at
    except psutil.NoSuchProcess:
        return False


def crash_last(root: Path) -> str | None:
    """Tell Prefect that this folder's last run has crashed, if it believes that it still runs; returns its name.

    Call it with the run's lock held: whoever ran before has ended.
    """
    file = root / LAST_RUN
    if not file.is_file():
        return None
    run_id = UUID(file.read_text().strip())
    with get_client(sync_client=True) as client:
        try:
            run = client.read_flow_run(run_id)
        except ObjectNotFound:
            return None
        if run.state is None or run.state.is_final():
            return None
        _crash(client, run_id)
        return run.name


def _crash(client: SyncPrefectClient, run_id: UUID) -> None:
    state: State[Any] = Crashed(message="The run's process was killed; the next run found it so.")
    this = FlowRunFilter(id=FlowRunFilterId(any_=[run_id]))
    for task in client.read_task_runs(flow_run_filter=this):
        if task.state is None or not task.state.is_final():
            client.set_task_run_state(task.id, state, force=True)
    client.set_flow_run_state(run_id, state, force=True)


def remember(root: Path, run_id: UUID) -> None:
    """Keep the number of the run that is on, for `crash_last` of the next."""
    part = root / f"{LAST_RUN}.{os.getpid()}"
    part.write_text(str(run_id))
    part.replace(root / LAST_RUN)
