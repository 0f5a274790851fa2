"""Keep a readable copy of dvc.lock: DVC rewrites the file in place, and a kill at that moment leaves half of it."""

import os
import shutil
import threading
from pathlib import Path

import yaml
from dvc.schema import COMPILED_LOCKFILE_SCHEMA
from voluptuous import Invalid

LOCK_FILE = "dvc.lock"
COPY = Path(".tandem/dvc.lock")
_copying = threading.Lock()  # stages that end at once are recorded by threads of one process


def back_up_lock(root: Path) -> None:
    """Copy dvc.lock if it is complete at this moment."""
    with _copying:
        part = root / f"{COPY}.{os.getpid()}"
        if (root / LOCK_FILE).is_file():
            # The copy is checked, not the file: DVC may rewrite the file between a check and a copy.
            shutil.copyfile(root / LOCK_FILE, part)
            if _is_complete(part):
                part.replace(root / COPY)
        part.unlink(missing_ok=True)


def restore_lock(root: Path) -> bool:
    """Replace a dvc.lock that is not complete by the copy; return whether that was needed."""
    file = root / LOCK_FILE
    if not file.is_file() or _is_complete(file) or not (root / COPY).is_file():
        return False
    shutil.copyfile(root / COPY, file)
    return True


def _is_complete(file: Path) -> bool:
    """Return whether DVC can read the file, to the end of its last line."""
    written = file.read_bytes()
    try:
        # By DVC's own schema: half a file is often valid YAML, such as one that ends after a stage's name.
        COMPILED_LOCKFILE_SCHEMA(yaml.load(written, Loader=yaml.CSafeLoader))
    except (yaml.YAMLError, UnicodeDecodeError, Invalid):
        return False
    return written.endswith(b"\n")
