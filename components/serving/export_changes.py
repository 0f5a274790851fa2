"""Export of the change log to the files that the next run's catalogue stage reads."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from components.catalogue.change_feed import CHANGES_FILES, POSITION_FILE
from components.core.atomic_write import atomic_path
from components.serving.storage.change_log import FORGOTTEN, LIKED, PUT, REMOVED, ChangeLog, LogEntry

BATCH_SIZE = 10_000


def export_changes(log: ChangeLog, folder: Path) -> int:
    """Write all changes of the log into a folder, unless the folder has them already.

    The folder is replaced as a whole. Returns the sequence of its last change, 0 for an empty log.
    """
    last, through_file = log.last_sequence(), folder / POSITION_FILE
    through = {"log": log.identity(), "through": last}
    # The same log up to the same change gives the same files
    if not last or (through_file.is_file() and json.loads(through_file.read_text()) == through):
        return last
    with atomic_path(folder) as part, ExitStack() as stack:
        part.mkdir()
        files = {
            name: stack.enter_context((part / name).open("w", encoding="utf-8")) for name in CHANGES_FILES
        }
        for entry in _read_entries(log, last):
            name, line = _as_line(entry)
            files[name].write(json.dumps(line, ensure_ascii=False) + "\n")
        (part / POSITION_FILE).write_text(json.dumps(through) + "\n")
    return last


def _read_entries(log: ChangeLog, last: int) -> Iterator[LogEntry]:
    """Yield the entries up to a sequence; the service may write more meanwhile, which the next export has."""
    sequence = 0
    while entries := log.read_after(sequence, BATCH_SIZE):
        for entry in entries:
            if entry.sequence > last:
                return
            yield entry
        sequence = entries[-1].sequence


def _as_line(entry: LogEntry) -> tuple[str, dict[str, Any]]:
    """Return the name of the file that an entry belongs to, and its line there."""
    body = entry.body or {}
    if entry.kind == PUT:
        return "items.jsonl", body
    if entry.kind == REMOVED:
        return "removed.jsonl", {"item_id": entry.item_id}
    if entry.kind == FORGOTTEN:
        return "forgotten.jsonl", {"user_id": entry.user_id}
    assert entry.kind == LIKED
    # `liking` is computed for replicas only: the catalogue has no such column
    return "interactions.jsonl", {name: value for name, value in body.items() if name != "liking"}
