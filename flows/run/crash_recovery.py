"""Clean up after a run that was killed: its processes, DVC's locks, and a flow run that Prefect shows as running."""

import json
import time
from collections.abc import Collection, Mapping
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
from flows.run.run_lock import mark_environment

DVC_LOCKS = Path(".dvc/tmp/rwlock")
LAST_RUN = Path(".tandem/last-run")
MAX_ATTEMPTS = 100  # rounds a tenth of a second apart, after which what remains is left


def end_abandoned(root: Path) -> bool:
    """End the processes of a run that was killed; return whether there were some. Call it with the run's lock held."""
    me = psutil.Process()
    # Children too: the temporary Prefect API of this run carries the same mark.
    family = [me, *me.parents(), *me.children(recursive=True)]
    return _kill_marked(mark_environment(root), spared=family)


def end_stage(root: Path, stage: str) -> bool:
    """End every process of a running stage, including those that it started; return whether there were some."""
    return _kill_marked(mark_environment(root, stage), spared=())


def _kill_marked(marks: Mapping[str, str], spared: Collection[psutil.Process]) -> bool:
    """Kill the processes that carry the marks until none is left; return whether there were some."""
    found = False
    for _ in range(MAX_ATTEMPTS):  # again and again: a process may start another while it is looked for
        processes = [process for process in _find_marked(marks) if process not in spared]
        if not processes:
            break
        found = True
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        # Sleep, not psutil's wait: it reads the exit status of a child that subprocess waits for too, and a stage
        # that took too long then counted as ended well.
        time.sleep(0.1)
    return found


def _find_marked(marks: Mapping[str, str]) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            if marks.items() <= process.environ().items():
                found.append(process)
    return found


def free_locks(root: Path) -> bool:
    """Remove DVC's locks if all their holders have ended; return whether they were removed.

    DVC itself drops only locks whose process number is free. After a restart of a machine or a container another process
    may have that number. A process that started after the locks were last written never held one.
    """
    file = root / DVC_LOCKS
    if not file.is_file():
        return False
    try:
        locks = json.loads(file.read_text())
    except ValueError:  # half written by a process that was killed
        locks = {}
    # DVC keeps one holder per written path, and a list of holders per read path.
    holders = [*locks.get("write", {}).values(), *chain.from_iterable(locks.get("read", {}).values())]
    written = file.stat().st_mtime
    if any(_is_holder(int(holder["pid"]), written) for holder in holders):
        return False
    file.unlink()
    return True


def _is_holder(number: int, written: float) -> bool:
    try:
        process = psutil.Process(number)
        # A killed stage that nobody has waited for yet is a zombie: it keeps its number and holds nothing.
        return process.create_time() <= written and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def mark_last_crashed(root: Path) -> str | None:
    """Set this folder's last flow run to crashed if Prefect still shows it as running; return its name.

    Call it with the run's lock held, which says that the last run has ended.
    """
    file = root / LAST_RUN
    if not file.is_file():
        return None
    run_id = UUID(file.read_text().strip())
    with get_client(sync_client=True) as client:
        try:
            run = client.read_flow_run(run_id)
        except ObjectNotFound:  # that run reported to another server
            return None
        if run.state is None or run.state.is_final():
            return None
        _set_crashed(client, run_id)
        return run.name


def _set_crashed(client: SyncPrefectClient, run_id: UUID) -> None:
    state: State[Any] = Crashed(message="The run's process was killed; the next run found it so.")
    # The tasks too: Prefect does not end them with their flow run.
    this_run = FlowRunFilter(id=FlowRunFilterId(any_=[run_id]))
    for task in client.read_task_runs(flow_run_filter=this_run):
        if task.state is None or not task.state.is_final():
            client.set_task_run_state(task.id, state, force=True)  # past the rules that would retry it
    client.set_flow_run_state(run_id, state, force=True)


def remember_run(root: Path, run_id: UUID) -> None:
    """Keep the id of the present run, for `mark_last_crashed` of the next."""
    write_atomically(root / LAST_RUN, str(run_id))
