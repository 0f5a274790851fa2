"""Allow one run at a time in a folder, by a lock that the kernel frees however its holder ends.

The processes that a run starts carry its mark in their environment, so that they are known if they outlive the run.
"""

from contextlib import AbstractContextManager
from pathlib import Path

import filelock

from components.core.errors import TandemError

WORK = Path(".tandem")
ROOT_VARIABLE, STAGE_VARIABLE = "TANDEM_RUN_ROOT", "TANDEM_RUN_STAGE"


class RunError(TandemError):
    """A run that could not start or did not end well."""


def lock_folder(root: Path, wait_minutes: float = 0) -> AbstractContextManager[object]:
    """Hold the folder's lock, so that no other run is active in it.

    Raises RunError if another still is after so many minutes, or the folder cannot be written to.
    """
    try:
        (root / WORK).mkdir(exist_ok=True)
        # A lock of the kernel, not a file that exists or does not: it is free after kill -9 and after a restart.
        lock = filelock.FileLock(root / WORK / "run.lock")
        return lock.acquire(timeout=wait_minutes * 60, poll_interval=0.5)
    except filelock.Timeout:
        raise RunError(f"Another run is on in {root}. Wait for its end, then run again.") from None
    except OSError as error:
        raise RunError(
            f"{root / WORK} cannot be written to: {error}. Correct that, then run again."
        ) from None


def mark_environment(root: Path, stage: str = "") -> dict[str, str]:
    """Return the environment variables that mark a process as part of a run, and of one of its stages."""
    marks = {ROOT_VARIABLE: str(root.resolve())}
    return marks | {STAGE_VARIABLE: stage} if stage else marks
