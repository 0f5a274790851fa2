"""One run at a time in a folder, by a lock that the kernel frees when its holder ends, however it ends.

What a run starts carries its mark, so that it is known when it outlives the run.
"""

from contextlib import AbstractContextManager
from pathlib import Path

import filelock

from components.core.errors import TandemError

WORK = Path(".tandem")
ROOT_VARIABLE, STAGE_VARIABLE = "TANDEM_RUN_ROOT", "TANDEM_RUN_STAGE"


class RunError(TandemError):
    """A run that could not start or did not end well."""


def alone(root: Path, wait_minutes: float = 0) -> AbstractContextManager[object]:
    """Hold the folder's lock, so that no other run is on in it.

    Raises RunError where another still is after so many minutes, or the folder cannot be written to.
    """
    try:
        (root / WORK).mkdir(exist_ok=True)
        lock = filelock.FileLock(root / WORK / "run.lock")
        return lock.acquire(timeout=wait_minutes * 60, poll_interval=0.5)
    except filelock.Timeout:
        raise RunError(f"Another run is on in {root}. Wait for its end, then run again.") from None
    except OSError as fault:
        raise RunError(f"{root / WORK} cannot be written to: {fault}. Mend that, then run again.") from None


def mark(root: Path, stage: str = "") -> dict[str, str]:
    """What a process has in its environment by which it is known for one of a run, and of which of its stages."""
    return {ROOT_VARIABLE: str(root.resolve())} | ({STAGE_VARIABLE: stage} if stage else {})
