"""Write files and folders that are whole or as they were before, whenever the writer is killed."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

PREFIX = ".part"


@contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """Yield a temporary path beside the target, for a file or a folder.

    It takes the target's name when the block ends well, and is removed when the block raises. What killed processes
    left behind of the same target is removed first. Raises RuntimeError where the block writes nothing.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(target)
    part = temporary_path(target)
    try:
        yield part
        if not part.exists():
            raise RuntimeError(f"Nothing was written to {target}.")
        if part.is_dir():
            remove_path(target)
        part.replace(target)
    finally:
        remove_path(part)


def temporary_path(target: Path) -> Path:
    """Return the name that this process writes a target under until it is complete."""
    return target.with_name(f"{PREFIX}-{os.getpid()}-{target.name}")


def write_atomically(file: Path, text: str) -> None:
    """Write a text file."""
    with atomic_path(file) as part:
        part.write_text(text)


def remove_path(path: Path) -> None:
    """Remove a file or a folder, if it is there."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _remove_abandoned(target: Path) -> None:
    for part in target.parent.glob(f"{PREFIX}-*-{target.name}"):
        if not psutil.pid_exists(int(part.name.split("-")[1])):
            remove_path(part)
