"""What a run that was killed leaves behind, ended before the next: processes, DVC's locks, a run shown as running."""

import json
import time
from collections.abc import Mapping
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Any
from uuid import UUID

import psutil
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import State
from prefect.exceptions import ObjectNotFound
from prefect.states import Crashed

from components.core.atomic_write import write_atomically
from flows.run.run_lock import mark

DVC_LOCKS = Path(".dvc/tmp/rwlock")
LAST_RUN = Path(".tandem/last-run")
TIMES = 100


def end_abandoned(root: Path) -> bool:
    """End the processes of a run that was killed; returns whether there were some. Call it with the run's lock held."""
    me = psutil.Process()
    mine = {me.pid, *(process.pid for process in [*me.parents(), *me.children(recursive=True)])}
    return _end(mark(root), mine)


def end_stage(root: Path, stage: str) -> bool:
    """End every process of a stage under way, those that it started included; returns whether there were some."""
    return _end(mark(root, stage), set())


def _end(marks: Mapping[str, str], spared: set[int]) -> bool:
    """Kill what carries the marks until there is no more of it: one may start another while it is looked for.

    None of them is waited for: a child's exit status is its parent's to read, once.
    """
    found = False
    for _ in range(TIMES):
        processes = [process for process in _marked(marks) if process.pid not in spared]
        if not processes:
            break
        found = True
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        time.sleep(0.1)
    return found


def _marked(marks: Mapping[str, str]) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            if marks.items() <= process.environ().items():
                found.append(process)
    return found


def free_locks(root: Path) -> bool:
    """Drop DVC's locks if all their holders have ended, though others have their numbers now; returns whether it did.

    DVC itself drops locks of numbers that no process has, and that is not enough: after a restart of a machine or a
    container numbers are given anew. Whoever started after the locks were last written never held one.
    """
    file = root / DVC_LOCKS
    if not file.is_file():
        return False
    try:
        locks = json.loads(file.read_text())
    except ValueError:  # half written: nobody holds what it told of
        locks = {}
    infos = [*locks.get("write", {}).values(), *chain.from_iterable(locks.get("read", {}).values())]
    written = file.stat().st_mtime
    if any(_was_there(int(info["pid"]), written) for info in infos):
        return False
    file.unlink()
    return True


def _was_there(number: int, at: float) -> bool:
    try:
        process = psutil.Process(number)
        return process.create_time() <= at and process.status() != psutil.STATUS_ZOMBIE
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
    write_atomically(root / LAST_RUN, str(run_id))
