"""What the filter blocked, counted by day and category, and the blocked queries that people object to."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from sqlalchemy import Engine, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from components.serving.storage.database import reading
from components.serving.storage.db_schema import block_reports, blocked_counts

State = Literal["open", "harmless", "harmful"]


@dataclass(frozen=True)
class BlockReport:
    """A blocked query that somebody objects to: its number, how often that was said, and what the filter said of it."""

    number: int
    query: str
    comment: str
    category: str
    score: float
    times: int


class BlockedCounts:
    """Counts blocked queries in memory, and adds them to the database when told to; of a query nothing is kept."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._waiting: Counter[tuple[str, str]] = Counter()

    def add(self, category: str) -> None:
        """Count a blocked query, today."""
        self._waiting[datetime.now(UTC).date().isoformat(), category] += 1

    def flush(self) -> None:
        """Write what was counted; where the database does not answer, it is written the next time."""
        if not self._waiting:
            return  # a transaction would lock out the other workers' writes, every few seconds, for nothing
        waiting, self._waiting = self._waiting, Counter()
        try:
            with self.engine.begin() as connection:
                for (day, category), count in waiting.items():
                    own = (blocked_counts.c.day == day) & (blocked_counts.c.category == category)
                    more = update(blocked_counts).where(own).values(count=blocked_counts.c.count + count)
                    if not connection.execute(more).rowcount:
                        connection.execute(
                            insert(blocked_counts).values(day=day, category=category, count=count)
                        )
        except Exception:
            self._waiting.update(waiting)
            raise


def count_blocked(engine: Engine, since: str) -> list[tuple[str, int]]:
    """How many queries were blocked from a day on (2026-11-30), by category, the most frequent first."""
    total = func.sum(blocked_counts.c.count)
    wanted = (
        select(blocked_counts.c.category, total)
        .where(blocked_counts.c.day >= since)
        .group_by(blocked_counts.c.category)
        .order_by(total.desc(), blocked_counts.c.category)
    )
    with reading(engine) as connection:
        return [(str(row[0]), int(row[1])) for row in connection.execute(wanted)]


def keep_report(engine: Engine, query: str, comment: str, category: str, score: float) -> None:
    """Keep that somebody objects to a block; the same query said again is counted, and what staff decided stays."""
    again = (
        update(block_reports).where(block_reports.c.query == query).values(times=block_reports.c.times + 1)
    )
    values = {
        "first_at": time.time(), "query": query, "comment": comment, "category": category, "score": score,
        "times": 1, "state": "open",
    }  # fmt: skip
    try:
        with engine.begin() as connection:
            if not connection.execute(again).rowcount:
                connection.execute(insert(block_reports).values(**values))
    except IntegrityError:  # another worker was quicker
        with engine.begin() as connection:
            connection.execute(again)


def open_reports(engine: Engine) -> list[BlockReport]:
    """What people object to and nobody has decided, the most frequent first."""
    names = ("number", "query", "comment", "category", "score", "times")
    wanted = (
        select(*(block_reports.c[name] for name in names))
        .where(block_reports.c.state == "open")
        .order_by(block_reports.c.times.desc(), block_reports.c.number)
    )
    with reading(engine) as connection:
        return [BlockReport(*row) for row in connection.execute(wanted)]


def decide_reports(engine: Engine, numbers: Sequence[int], state: State) -> None:
    """Keep what staff decided on reports."""
    with engine.begin() as connection:
        connection.execute(
            update(block_reports).where(block_reports.c.number.in_(numbers)).values(state=state)
        )
