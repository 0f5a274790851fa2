"""What every endpoint asks and tells: the model that is served now, its successors, and the way of a write."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic

from components.bundle.bundle import Bundle
from components.bundle.query import Answer, Query
from components.index.live_index import merge
from components.serving import metrics
from components.serving.replica import Replica
from components.serving.settings import ServingSettings
from components.serving.storage.blocked_queries import BlockedCounts
from components.serving.storage.change_log import ChangeLog, LogEntry

Champion = Callable[[], tuple[str, Callable[[], Path]] | None]
SILENCE_SECONDS = 1.0
told = logging.getLogger("tandem.serving")


@dataclass(frozen=True)
class RefusedVersion:
    """A version that could not be served, and why; the one before it still is."""

    version: str
    reason: str


class Service:
    """The model that answers and the log that it follows.

    champion: asks the registry which version is published and where its bundle can be had, or None to serve one for
    ever.
    """

    def __init__(self, replica: Replica, settings: ServingSettings, champion: Champion | None = None) -> None:
        self.replica, self.settings, self.champion = replica, settings, champion
        self.blocked = BlockedCounts(replica.log.engine)
        self.refused: RefusedVersion | None = None
        self.registry_fault: str | None = None
        self._silent_until = 0.0
        self._waiting: list[tuple[str, Sequence[LogEntry], asyncio.Future[int]]] = []
        self._writing: asyncio.Task[None] | None = None
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def log(self) -> ChangeLog:
        """The changes since the bundle."""
        return self.replica.log

    async def current(self) -> Replica:
        """Return the replica after every change that was acknowledged before this was asked.

        A database that does not answer leaves it as it was: readers are answered, and the error is reported.
        """
        replica = self.replica
        await self._follow(replica)
        return replica

    async def answer(self, query: Query) -> Answer:
        """Answer a query by one model, the one that was served when it came."""
        replica = await self.current()
        searcher = replica.searcher
        with metrics.timed("understand"):
            is_parsed = searcher.is_parsed(query)
            # Only encoding is slow enough to leave the event loop for
            parsed = searcher.parse(query) if is_parsed else await asyncio.to_thread(searcher.parse, query)
        if not is_parsed:
            await self._follow(replica)
        with metrics.timed("rank"):
            answer = searcher.answer(parsed)
        if parsed.blocked:
            metrics.BLOCKED.labels(parsed.blocked).inc()
            self.blocked.add(parsed.blocked)
        return answer

    async def _follow(self, replica: Replica) -> None:
        if monotonic() < self._silent_until:
            return
        try:
            await replica.catch_up()
        except Exception as fault:
            self._silent_until = monotonic() + SILENCE_SECONDS
            metrics.LOG_FAULTS.inc()
            told.error("The change log does not answer, readers are served what is known: %s", fault)

    @property
    def follows(self) -> bool:
        """Whether the change log answered when it was last asked."""
        return monotonic() >= self._silent_until

    async def write(self, key_name: str, entries: Sequence[LogEntry]) -> int:
        """Put entries into the log and take them; writers who come at once are written at once.

        Returns the sequence of the last, which is on the disk and in the next answer of every worker then.
        """
        done: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting.append((key_name, entries, done))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write())
        sequence = await asyncio.shield(done)
        await self.replica.catch_up()
        return sequence

    async def _write(self) -> None:
        while self._waiting:
            taken, self._waiting = self._waiting, []
            writes = [(key_name, entries) for key_name, entries, _ in taken]
            try:
                last = await asyncio.to_thread(self.log.append, writes)
            except Exception as fault:
                for _, _, done in taken:
                    done.set_exception(fault)
            else:
                metrics.WRITTEN.inc(sum(len(entries) for _, entries in writes))
                for _, _, done in taken:
                    done.set_result(last)

    async def start(self) -> None:
        """Take what the log holds, then watch the registry and the size of the delta."""
        await self.replica.catch_up()
        metrics.observe(self.replica)
        loops: list[Callable[[], Awaitable[None]]] = [self.merge, self.count_blocked]
        loops += [self.watch] if self.champion else []
        self._tasks = [asyncio.create_task(self._again(loop)) for loop in loops]

    async def stop(self) -> None:
        """End what `start` began; a write under way ends first, and what was counted is written."""
        for task in self._tasks:
            task.cancel()
        try:
            await self.count_blocked()
        except Exception as fault:
            told.error("The last counts of blocked queries could not be written: %s", fault)
        if self._writing is not None:
            await asyncio.wait([self._writing])
        self.log.let_go()

    async def _again(self, step: Callable[[], Awaitable[None]]) -> None:
        while True:
            await asyncio.sleep(self.settings.poll_seconds)
            try:
                await step()
            except Exception:
                told.exception("A step in the background failed; it is tried again.")

    async def count_blocked(self) -> None:
        """Write how many queries were blocked."""
        await asyncio.to_thread(self.blocked.flush)

    async def watch(self) -> None:
        """Serve the champion: load it beside the one before, let it take all changes, and only then change places."""
        assert self.champion is not None
        try:
            found = await asyncio.to_thread(self.champion)
            self.registry_fault = None
        except Exception as fault:
            self.registry_fault = str(fault)
            return
        if found is None or found[0] == self.replica.version:
            self.refused = None
            return
        version, fetch = found
        if self.refused is not None and self.refused.version == version:
            return
        try:
            bundle = await asyncio.to_thread(lambda: Bundle.load(fetch()))
            replica = Replica(bundle, self.log, version)
            await replica.catch_up()
        except Exception as fault:
            self.refused = RefusedVersion(version, str(fault).splitlines()[0])
            told.error("Version %s is not served: %s", version, fault)
            metrics.REFUSED.inc()
            return
        self.replica, self.refused = replica, None
        metrics.SWAPPED.inc()
        metrics.observe(replica)

    async def merge(self) -> None:
        """Grow new trees where many rows lie beside the old ones, and change to them between two answers."""
        bundle = self.replica.bundle
        for name, segment in (("text", bundle.text_index), ("taste", bundle.factor_index)):
            if segment.is_large:
                with TemporaryDirectory(prefix="tandem-merge-") as folder:
                    base = await asyncio.to_thread(merge, segment.base, *segment.beside(), Path(folder), name)
                segment.rebase(base)
                metrics.observe(self.replica)
