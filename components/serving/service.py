"""The state of the service: the replica that answers, its successors from the registry, and the queue of writes."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic

from components.bundle.bundle import Bundle
from components.bundle.query import Answer, Query
from components.index.live_index import merge_delta
from components.serving import metrics
from components.serving.replica import Replica
from components.serving.settings import ServingSettings
from components.serving.storage.blocked_queries import BlockedCounts
from components.serving.storage.change_log import ChangeLog, LogEntry

# The champion's version, and the function that fetches its bundle; None where the registry has no champion
FindChampion = Callable[[], tuple[str, Callable[[], Path]] | None]
LOG_PAUSE_SECONDS = 1.0
logger = logging.getLogger("tandem.serving")


@dataclass(frozen=True)
class RefusedVersion:
    """A version that could not be loaded, and why; the one before it is still served."""

    version: str
    reason: str


@dataclass(frozen=True)
class PendingWrite:
    """Entries that wait to be written with the name of their key; `done` gets the sequence of the last."""

    key_name: str
    entries: Sequence[LogEntry]
    done: asyncio.Future[int]


class Service:
    """The replica that answers and the change log that it follows.

    find_champion: asks the registry which version to serve next, or None to serve the same bundle all the time.
    """

    def __init__(
        self, replica: Replica, settings: ServingSettings, find_champion: FindChampion | None = None
    ) -> None:
        self.replica, self.settings, self.find_champion = replica, settings, find_champion
        self.blocked = BlockedCounts(replica.log.engine)
        self.refused: RefusedVersion | None = None
        self.registry_error: str | None = None
        self._log_paused_until = 0.0
        self._pending: list[PendingWrite] = []
        self._writing: asyncio.Task[None] | None = None
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def log(self) -> ChangeLog:
        """Return the log of changes since the bundle was made."""
        return self.replica.log

    async def current(self) -> Replica:
        """Return the replica after every change that was acknowledged before this call.

        A database that does not answer leaves the replica as it was: readers are answered, and the error is logged.
        """
        replica = self.replica
        await self._follow_log(replica)
        return replica

    async def answer_query(self, query: Query) -> Answer:
        """Answer a query by one replica: the one that was served when the query came."""
        replica = await self.current()
        searcher = replica.searcher
        with metrics.time_step("understand"):
            is_parsed = searcher.is_parsed(query)
            # Only encoding is slow enough to leave the event loop for
            parsed = searcher.parse(query) if is_parsed else await asyncio.to_thread(searcher.parse, query)
        # Changes may have been acknowledged while the thread encoded the text
        if not is_parsed:
            await self._follow_log(replica)
        with metrics.time_step("rank"):
            answer = searcher.answer(parsed)
        if parsed.blocked:
            metrics.BLOCKED.labels(parsed.blocked).inc()
            self.blocked.count_query(parsed.blocked)
        return answer

    async def _follow_log(self, replica: Replica) -> None:
        # Without the pause each reader would wait for the timeout of a database that is down
        if not self.is_following:
            return
        try:
            await replica.catch_up()
        except Exception as error:
            self._log_paused_until = monotonic() + LOG_PAUSE_SECONDS
            metrics.LOG_ERRORS.inc()
            logger.error(
                "The change log does not answer; readers are served without newer changes: %s", error
            )

    @property
    def is_following(self) -> bool:
        """Return whether the change log answered when it was last asked."""
        return monotonic() >= self._log_paused_until

    async def write_entries(self, key_name: str, entries: Sequence[LogEntry]) -> int:
        """Write entries to the log and apply them.

        Returns the sequence of the last entry, which is on the disk and in the next answer of every worker then.
        """
        done: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._pending.append(PendingWrite(key_name, entries, done))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_pending())
        # A client that goes away cancels its request, not the future that the writing task sets
        sequence = await asyncio.shield(done)
        await self.replica.catch_up()
        return sequence

    async def _write_pending(self) -> None:
        # Writes that come while a transaction runs share the next one, so one sync of the disk serves many
        while self._pending:
            pending, self._pending = self._pending, []
            writes = [(write.key_name, write.entries) for write in pending]
            try:
                last = await asyncio.to_thread(self.log.append, writes)
            except Exception as error:
                for write in pending:
                    write.done.set_exception(error)
            else:
                for write in pending:
                    metrics.WRITTEN.inc(len(write.entries))
                    write.done.set_result(last)

    async def start(self) -> None:
        """Apply the changes of the log, and start the tasks in the background."""
        await self.replica.catch_up()
        metrics.observe_replica(self.replica)
        steps: list[Callable[[], Awaitable[None]]] = [self.merge_deltas, self.flush_blocked]
        if self.find_champion is not None:
            steps.append(self.watch_registry)
        self._tasks = [asyncio.create_task(self._repeat_step(step)) for step in steps]

    async def stop(self) -> None:
        """End the background tasks, write the counts of blocked queries, and wait for a write under way."""
        for task in self._tasks:
            task.cancel()
        try:
            await self.flush_blocked()
        except Exception as error:
            logger.error("The last counts of blocked queries could not be written: %s", error)
        if self._writing is not None:
            await asyncio.wait([self._writing])
        self.log.close_connection()

    async def _repeat_step(self, step: Callable[[], Awaitable[None]]) -> None:
        while True:
            await asyncio.sleep(self.settings.poll_seconds)
            # A task that raises would end for good, without a word
            try:
                await step()
            except Exception:
                logger.exception("A step in the background failed; it is tried again.")

    async def flush_blocked(self) -> None:
        """Write the counts of blocked queries to the database."""
        await asyncio.to_thread(self.blocked.flush)

    async def watch_registry(self) -> None:
        """Replace the replica by one of the registry's champion, once that is loaded and has applied all changes."""
        assert self.find_champion is not None
        try:
            champion = await asyncio.to_thread(self.find_champion)
            self.registry_error = None
        except Exception as error:
            self.registry_error = str(error)
            return
        if champion is None or champion[0] == self.replica.version:
            self.refused = None
            return
        version, fetch = champion
        # Versions are immutable, so one that could not be loaded is not tried again
        if self.refused is not None and self.refused.version == version:
            return
        try:
            bundle = await asyncio.to_thread(lambda: Bundle.load(fetch()))
            replica = Replica(bundle, self.log, version)
            await replica.catch_up()
        except Exception as error:
            self.refused = RefusedVersion(version, str(error).splitlines()[0])
            logger.error("Version %s is not served: %s", version, error)
            metrics.REFUSED.inc()
            return
        self.replica, self.refused = replica, None
        metrics.SWAPPED.inc()
        metrics.observe_replica(replica)

    async def merge_deltas(self) -> None:
        """Build new trees for each index whose delta is large, and swap them in between two answers."""
        bundle = self.replica.bundle
        for name, index in (("text", bundle.text_index), ("taste", bundle.factor_index)):
            if not index.is_large:
                continue
            # The new trees stay mapped after their files are deleted, so nothing is left on the disk
            with TemporaryDirectory(prefix="tandem-merge-") as folder:
                rows, vectors = index.copy_delta()
                base = await asyncio.to_thread(
                    merge_delta, index.base, rows, vectors, folder=Path(folder), name=name
                )
            index.replace_base(base)
            metrics.observe_replica(self.replica)
