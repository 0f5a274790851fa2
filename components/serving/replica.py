"""A loaded bundle that follows the change log: what is acknowledged anywhere is in its next answer."""

import asyncio
from collections.abc import Sequence

import numpy as np

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

AT_ONCE = 500


class Replica:
    """A bundle, its version in the registry, and the last change that it has taken.

    The event loop owns the bundle: changes are applied and answers are made there, one after the other, so no answer
    sees half a change. Only texts are encoded in threads.
    """

    def __init__(self, bundle: Bundle, log: ChangeLog, version: str | None = None) -> None:
        self.bundle, self.log, self.version = bundle, log, version
        self.searcher, self.updates = Searcher(bundle), LiveUpdates(bundle)
        self.applied = _made_through(bundle, log)
        self._following = asyncio.Lock()

    async def catch_up(self) -> None:
        """Take every change that was acknowledged before this was asked."""
        head = self.log.head()
        while self.applied < head:
            async with self._following:
                if self.applied < head:
                    await self._take(self.log.after(self.applied, AT_ONCE), head)

    async def _take(self, entries: Sequence[LogEntry], head: int) -> None:
        changes = await self._as_changes(entries)
        for change in changes:
            self.updates.apply(change)
        self.applied = entries[-1].sequence if entries else head
        metrics.observe(self)

    async def _as_changes(self, entries: Sequence[LogEntry]) -> list[Change]:
        """Entries as the bundle takes them; texts that another encoder has encoded are encoded again."""
        foreign = [
            entry
            for entry in entries
            if entry.kind == PUT and (entry.vector is None or entry.encoder != self.bundle.encoder_identity)
        ]
        vectors: dict[int, np.ndarray] = {}  # type: ignore[type-arg]
        if foreign:
            items = [entry.body or {} for entry in foreign]
            encoded = await asyncio.to_thread(self.updates.vectors_for, items)
            vectors = {entry.sequence: vector for entry, vector in zip(foreign, encoded, strict=True)}
        return [_change(entry, vectors) for entry in entries]


def _made_through(bundle: Bundle, log: ChangeLog) -> int:
    """The last change that is part of the bundle; 0 where it was made from another log or none."""
    told = bundle.manifest["shop"].get("told") or {}
    return int(told["through"]) if told.get("log") == log.identity() else 0


def _change(entry: LogEntry, vectors: dict[int, np.ndarray]) -> Change:  # type: ignore[type-arg]
    item_id, user_id, body = entry.item_id or "", entry.user_id or "", entry.body or {}
    if entry.kind == PUT:
        vector = vectors.get(entry.sequence)
        return ItemPut(body, entry.vector if vector is None else vector)  # type: ignore[arg-type]
    if entry.kind == REMOVED:
        return ItemRemoved(item_id)
    if entry.kind == FORGOTTEN:
        return UserForgotten(user_id)
    return ItemLiked(user_id, item_id, float(body["liking"]))
