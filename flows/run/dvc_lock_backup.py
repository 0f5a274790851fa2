"""Keep a readable copy of dvc.lock: DVC writes it anew in place, and a kill at that moment leaves half of it."""

import os
import shutil
import threading
from pathlib import Path

import yaml
from dvc.schema import COMPILED_LOCKFILE_SCHEMA
from voluptuous import Invalid

LOCK_FILE = "dvc.lock"
COPY = Path(".tandem/dvc.lock")
_one = threading.Lock()


def keep(root: Path) -> None:
    """Copy dvc.lock if it is whole just now."""
    with _one:
        part = root / f"{COPY}.{os.getpid()}"
        if (root / LOCK_FILE).is_file():
            shutil.copyfile(root / LOCK_FILE, part)
            if _is_whole(part):
                part.replace(root / COPY)
        part.unlink(missing_ok=True)


def mend(root: Path) -> bool:
    """Put the copy in the place of a dvc.lock that is not whole; returns whether it had to."""
    file = root / LOCK_FILE
    if not file.is_file() or _is_whole(file) or not (root / COPY).is_file():
        return False
    shutil.copyfile(root / COPY, file)
    return True


def _is_whole(file: Path) -> bool:
    """Whether DVC can read it, to the end of its last line."""
    written = file.read_bytes()
    try:
        COMPILED_LOCKFILE_SCHEMA(yaml.load(written, Loader=yaml.CSafeLoader))
    except (yaml.YAMLError, UnicodeDecodeError, Invalid):
        return False
    return written.endswith(b"\n")
