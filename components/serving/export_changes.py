"""Hand what the service was told to the next night, which learns from it and makes it part of the bundle."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from components.catalogue.change_feed import FILES, THROUGH
from components.core.atomic_write import atomic_path
from components.serving.storage.change_log import FORGOTTEN, LIKED, PUT, REMOVED, ChangeLog, LogEntry

AT_ONCE = 10_000


def hand_over(log: ChangeLog, folder: Path) -> int:
    """Write everything that the log holds into a folder that the catalogue reads, if it holds more than lies there.

    The folder is whole or as it was. Returns the sequence of the last change in it.
    """
    head, told = log.head(), folder / THROUGH
    through = {"log": log.identity(), "through": head}
    if not head or (told.is_file() and json.loads(told.read_text()) == through):
        return head
    with atomic_path(folder) as part, ExitStack() as opened:
        part.mkdir()
        files = {name: opened.enter_context((part / name).open("w", encoding="utf-8")) for name in FILES}
        for entry in _entries(log, head):
            name, line = _line(entry)
            files[name].write(json.dumps(line, ensure_ascii=False) + "\n")
        (part / THROUGH).write_text(json.dumps(through) + "\n")
    return head


def _entries(log: ChangeLog, through: int) -> Iterator[LogEntry]:
    at = 0
    while entries := log.after(at, AT_ONCE):
        yield from (entry for entry in entries if entry.sequence <= through)
        at = entries[-1].sequence


def _line(entry: LogEntry) -> tuple[str, dict[str, Any]]:
    """Which file an entry belongs to, and as what."""
    body = entry.body or {}
    if entry.kind == PUT:
        return "items.jsonl", body
    if entry.kind == REMOVED:
        return "removed.jsonl", {"item_id": entry.item_id}
    if entry.kind == FORGOTTEN:
        return "forgotten.jsonl", {"user_id": entry.user_id}
    assert entry.kind == LIKED
    return "interactions.jsonl", {name: value for name, value in body.items() if name != "liking"}
