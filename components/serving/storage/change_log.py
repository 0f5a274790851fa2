"""The log of all changes since the bundle was made, in one order for all workers.

The log keeps only what a replay needs: the latest entry of each item, and every interaction that was not erased. So the
length of a replay is bounded by how much differs from the bundle, not by how often it changed.
"""

import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Engine, delete, insert, select, text

from components.serving.storage.database import open_reader
from components.serving.storage.db_schema import audit, changes, log

PUT, REMOVED, LIKED, FORGOTTEN = "put", "removed", "liked", "forgotten"
ITEM_KINDS = (PUT, REMOVED)


@dataclass(frozen=True)
class LogEntry:
    """One change of an item or a user: its kind and content, and the vector (d,) of its text by the named encoder."""

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
        self._connection: Any = None

    def append(self, writes: Sequence[tuple[str, Sequence[LogEntry]]]) -> int:
        """Write the entries of several writers, each with the name of its key, in one transaction.

        Returns the sequence of the last entry, which is on the disk then.
        """
        with self.engine.begin() as connection:
            if connection.dialect.name == "postgresql":
                # Sequences must become visible in their order: a reader that has seen 8 never asks for 7 again
                connection.execute(text("LOCK TABLE changes IN SHARE ROW EXCLUSIVE MODE"))
            last = 0
            for key_name, entries in writes:
                for entry in entries:
                    last = _insert_entry(connection, entry)
                connection.execute(insert(audit), _audit_rows(key_name, entries))
        return last

    def last_sequence(self) -> int:
        """Return the sequence of the latest change, 0 where there is none."""
        # Every answer asks this first, so it bypasses SQLAlchemy and keeps a connection open
        if self._connection is None:
            self._connection = self.engine.raw_connection()
            if self.engine.dialect.name == "postgresql":
                self._connection.driver_connection.autocommit = (
                    True  # else its first query leaves a transaction open
                )
        try:
            cursor = self._connection.cursor()
            cursor.execute("SELECT max(sequence) FROM changes")
            row = cursor.fetchone()
            cursor.close()
        except Exception:
            self.close_connection()  # the next call opens another, once the database answers again
            raise
        return int(row[0] or 0)

    def identity(self) -> str:
        """Return the random id of this log; a bundle names the log and the sequence that it was made with."""
        with open_reader(self.engine) as connection:
            return str(connection.execute(select(log.c.identity)).scalar_one())

    def read_after(self, sequence: int, limit: int = 1000) -> list[LogEntry]:
        """Return up to `limit` changes after a sequence, in order."""
        is_after = changes.c.sequence > sequence
        query = select(changes).where(is_after).order_by(changes.c.sequence).limit(limit)
        with open_reader(self.engine) as connection:
            return [*map(_as_entry, connection.execute(query))]

    def read_user(self, user_id: str) -> list[LogEntry]:
        """Return the changes of a user, in order."""
        query = select(changes).where(changes.c.user_id == user_id).order_by(changes.c.sequence)
        with open_reader(self.engine) as connection:
            return [*map(_as_entry, connection.execute(query))]

    def close_connection(self) -> None:
        """Close the connection that `last_sequence` keeps open."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            connection.invalidate()


def _insert_entry(connection: Connection, entry: LogEntry) -> int:
    """Insert an entry, delete those that it replaces, and return its sequence."""
    if entry.kind in ITEM_KINDS:
        stale = (changes.c.item_id == entry.item_id) & changes.c.kind.in_(ITEM_KINDS)
        connection.execute(delete(changes).where(stale))
    # An erasure deletes the interactions of a user from the disk; the entry itself stays, against older data
    if entry.kind == FORGOTTEN:
        connection.execute(delete(changes).where(changes.c.user_id == entry.user_id))
    row = vars(entry) | {
        "body": None if entry.body is None else json.dumps(entry.body),
        # Little-endian whatever the machine: workers of several machines may share a Postgres
        "vector": None if entry.vector is None else entry.vector.astype("<f4").tobytes(),
    }
    del row["sequence"]  # the database numbers the rows
    inserted = connection.execute(insert(changes).values(row))
    return int(inserted.inserted_primary_key[0])  # type: ignore[index]


def _audit_rows(key_name: str, entries: Sequence[LogEntry]) -> list[dict[str, Any]]:
    """Return one row for each kind of change, without ids of users."""
    rows = []
    item_ids = {entry.kind: entry.item_id for entry in entries}
    for kind, count in Counter(entry.kind for entry in entries).items():
        # Users are never named: erasing a user does not touch the audit
        subject = item_ids[kind] if kind in ITEM_KINDS and count == 1 else None
        row = {"at": time.time(), "key_name": key_name, "kind": kind, "count": count, "subject": subject}
        rows.append(row)
    return rows


def _as_entry(row: Any) -> LogEntry:
    return LogEntry(
        row.kind,
        row.item_id,
        user_id=row.user_id,
        body=None if row.body is None else json.loads(row.body),
        encoder=row.encoder,
        vector=None if row.vector is None else np.frombuffer(row.vector, "<f4"),
        sequence=row.sequence,
    )
