"""A loaded bundle that follows the change log, so that its next answer knows every acknowledged change."""

import asyncio
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from components.bundle.bundle import Bundle
from components.bundle.live_updates import (
    Change,
    ItemLiked,
    ItemPut,
    ItemRemoved,
    LiveUpdates,
    UserForgotten,
)
from components.bundle.searcher import Searcher
from components.serving import metrics
from components.serving.storage.change_log import FORGOTTEN, PUT, REMOVED, ChangeLog, LogEntry

BATCH_SIZE = 500
Vector = NDArray[np.float32]


class Replica:
    """A bundle with its version in the registry and the sequence of the last change that is applied to it.

    The event loop owns the bundle: changes are applied and answers are made there one after the other, so no answer
    sees half a change and nothing needs a lock. Only texts are encoded in threads.
    """

    def __init__(self, bundle: Bundle, log: ChangeLog, version: str | None = None) -> None:
        self.bundle, self.log, self.version = bundle, log, version
        self.searcher, self.updates = Searcher(bundle), LiveUpdates(bundle)
        self.applied = _bundled_sequence(bundle, log)
        self._following = asyncio.Lock()

    async def catch_up(self) -> None:
        """Apply every change that was acknowledged before this call."""
        last = self.log.last_sequence()
        while self.applied < last:
            async with self._following:
                # Another request may have applied them while this one waited for the lock
                if self.applied < last:
                    await self._apply_entries(self.log.read_after(self.applied, BATCH_SIZE), last)

    async def _apply_entries(self, entries: Sequence[LogEntry], last: int) -> None:
        # Encoding awaits a thread; from here on nothing awaits, so no answer sees a part of the batch
        for change in await self._as_changes(entries):
            self.updates.apply(change)
        # Without entries (rows that were deleted by hand) the loop in `catch_up` would not end
        self.applied = entries[-1].sequence if entries else last
        metrics.observe_replica(self)

    async def _as_changes(self, entries: Sequence[LogEntry]) -> list[Change]:
        """Return the changes that entries stand for; texts whose vectors are of another encoder are encoded here."""
        encoder = self.bundle.encoder_identity
        missing = []
        for entry in entries:
            if entry.kind == PUT and (entry.vector is None or entry.encoder != encoder):
                missing.append(entry)
        vectors: dict[int, Vector] = {}
        if missing:
            items = [entry.body or {} for entry in missing]
            encoded = await asyncio.to_thread(self.updates.vectors_for, items)
            for entry, vector in zip(missing, encoded, strict=True):
                vectors[entry.sequence] = vector
        return [_as_change(entry, vectors.get(entry.sequence, entry.vector)) for entry in entries]


def _bundled_sequence(bundle: Bundle, log: ChangeLog) -> int:
    """Return the sequence of the last change that the bundle was made with, 0 where it was made without this log."""
    # Sequences of another log (a new database, a bundle from elsewhere) number other changes
    source = bundle.manifest["shop"].get("told") or {}
    return int(source["through"]) if source.get("log") == log.identity() else 0


def _as_change(entry: LogEntry, vector: Vector | None) -> Change:
    item_id, user_id, body = entry.item_id or "", entry.user_id or "", entry.body or {}
    if entry.kind == PUT:
        assert vector is not None
        return ItemPut(body, vector)
    if entry.kind == REMOVED:
        return ItemRemoved(item_id)
    if entry.kind == FORGOTTEN:
        return UserForgotten(user_id)
    return ItemLiked(user_id, item_id, float(body["liking"]))
