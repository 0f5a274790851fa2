"""Every change since the bundle was made, in one order for all workers; told as done only when it is on the disk.

The log keeps what is needed to be where it is now: the last word on each item, every liking that nobody has had
erased. So a replay is bounded by how much is different, not by how often it changed.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Engine, delete, insert, select, text

from components.serving.storage.database import reading
from components.serving.storage.db_schema import audit, changes, log

PUT, REMOVED, LIKED, FORGOTTEN = "put", "removed", "liked", "forgotten"
ITEM_KINDS = (PUT, REMOVED)


@dataclass(frozen=True)
class LogEntry:
    """One change: what kind, of which item or person, its content, and the vector of its text by which encoder."""

    kind: str
    item_id: str | None = None
    user_id: str | None = None
    body: dict[str, Any] | None = None
    encoder: str | None = None
    vector: NDArray[np.float32] | None = None
    sequence: int = 0


class ChangeLog:
    """The changes in a database that several processes write to and follow."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._following: Any = None

    def append(self, writes: Sequence[tuple[str, Sequence[LogEntry]]]) -> int:
        """Write the entries of several writers, each with the name of its key, at once or not at all.

        Returns the sequence of the last; it is on the disk then.
        """
        with self.engine.begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text("LOCK TABLE changes IN SHARE ROW EXCLUSIVE MODE"))
            last = 0
            for key_name, entries in writes:
                for entry in entries:
                    last = _write(connection, entry)
                connection.execute(insert(audit), _audited(key_name, entries))
        return last

    def head(self) -> int:
        """The sequence of the latest change, 0 where there is none: one cheap question on a connection kept open."""
        if self._following is None:
            self._following = self.engine.raw_connection()
            if self.engine.dialect.name == "postgresql":
                self._following.driver_connection.autocommit = True
        try:
            cursor = self._following.cursor()
            cursor.execute("SELECT max(sequence) FROM changes")
            row = cursor.fetchone()
            cursor.close()
        except Exception:
            self.let_go()
            raise
        return int(row[0] or 0)

    def identity(self) -> str:
        """Which log this is: a bundle knows through which change of which log it was made."""
        with reading(self.engine) as connection:
            return str(connection.execute(select(log.c.identity)).scalar_one())

    def after(self, sequence: int, most: int = 1000) -> list[LogEntry]:
        """The changes after a sequence, in order."""
        wanted = select(changes).where(changes.c.sequence > sequence).order_by(changes.c.sequence).limit(most)
        with reading(self.engine) as connection:
            return [_read(row) for row in connection.execute(wanted)]

    def of_user(self, user_id: str) -> list[LogEntry]:
        """What the log knows of a person, in order."""
        wanted = select(changes).where(changes.c.user_id == user_id).order_by(changes.c.sequence)
        with reading(self.engine) as connection:
            return [_read(row) for row in connection.execute(wanted)]

    def let_go(self) -> None:
        """Close the connection that `head` keeps."""
        if self._following is not None:
            following, self._following = self._following, None
            following.invalidate()


def _write(connection: Connection, entry: LogEntry) -> int:
    """Add an entry in the place of those that it makes needless."""
    if entry.kind in ITEM_KINDS:
        stale = (changes.c.item_id == entry.item_id) & changes.c.kind.in_(ITEM_KINDS)
        connection.execute(delete(changes).where(stale))
    if entry.kind == FORGOTTEN:
        connection.execute(delete(changes).where(changes.c.user_id == entry.user_id))
    written = connection.execute(
        insert(changes).values(
            kind=entry.kind,
            item_id=entry.item_id,
            user_id=entry.user_id,
            body=None if entry.body is None else json.dumps(entry.body),
            encoder=entry.encoder,
            vector=None if entry.vector is None else entry.vector.astype("<f4").tobytes(),
        )
    )
    return int(written.inserted_primary_key[0])  # type: ignore[index]


def _audited(key_name: str, entries: Sequence[LogEntry]) -> list[dict[str, Any]]:
    """A line a kind of change; of people nothing is kept."""
    kinds = dict.fromkeys(entry.kind for entry in entries)
    told = {kind: [entry for entry in entries if entry.kind == kind] for kind in kinds}
    return [
        {
            "at": time.time(),
            "key_name": key_name,
            "kind": kind,
            "count": len(of_kind),
            "subject": of_kind[0].item_id if kind in ITEM_KINDS and len(of_kind) == 1 else None,
        }
        for kind, of_kind in told.items()
    ]


def _read(row: Any) -> LogEntry:
    return LogEntry(
        row.kind,
        row.item_id,
        row.user_id,
        None if row.body is None else json.loads(row.body),
        row.encoder,
        None if row.vector is None else np.frombuffer(row.vector, "<f4"),
        row.sequence,
    )
