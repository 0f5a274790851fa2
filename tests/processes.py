"""What a run leaves on the machine, as tests look for it."""

from pathlib import Path

import psutil

from flows.run.run_lock import mark_environment


def processes_of(root: Path) -> list[psutil.Process]:
    """What carries the mark of a run in a folder."""
    marked = [(one, one.info["environ"] or {}) for one in psutil.process_iter(["environ"])]
    return [one for one, environ in marked if mark_environment(root).items() <= environ.items()]
