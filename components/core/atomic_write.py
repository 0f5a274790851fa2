"""Write files and folders atomically: a killed writer leaves the old content or the new, never half of it."""

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

    The path is renamed to the target when the block ends, and removed when the block raises. Leftovers of killed
    processes for the same target are removed first. Raises RuntimeError where the block writes nothing.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(target)
    part = temporary_path(target)
    try:
        yield part
        if not part.exists():
            raise RuntimeError(f"Nothing was written to {target}.")
        if part.is_dir():
            # A rename replaces a file, but no folder that has content
            remove_path(target)
        part.replace(target)
    finally:
        remove_path(part)


def temporary_path(target: Path) -> Path:
    """Return the path that this process writes a target to until it is complete."""
    # In the target's own folder, because a rename is atomic only within one file system
    return target.with_name(f"{PREFIX}-{os.getpid()}-{target.name}")


def write_atomically(file: Path, text: str) -> None:
    """Write a text file, or leave it as it was."""
    with atomic_path(file) as part:
        part.write_text(text)


def remove_path(path: Path) -> None:
    """Remove a file or a folder, if it exists."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _remove_abandoned(target: Path) -> None:
    # A part whose process lives belongs to another writer of the same target
    for part in target.parent.glob(f"{PREFIX}-*-{target.name}"):
        if not psutil.pid_exists(int(part.name.split("-")[1])):
            remove_path(part)
