"""Counts of blocked queries by day and category, and users' reports of queries that were blocked by mistake."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Literal

from sqlalchemy import Engine, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from components.serving.storage.database import open_reader
from components.serving.storage.db_schema import block_reports, blocked_counts

State = Literal["open", "harmless", "harmful"]


@dataclass(frozen=True)
class BlockReport:
    """A reported query: how often it was reported, and the category and score that the filter gave it."""

    number: int
    query: str
    comment: str
    category: str
    score: float
    times: int


class BlockedCounts:
    """Counts blocked queries in memory until `flush` adds the counts to the database. No query is kept."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._counts: Counter[tuple[str, str]] = Counter()

    def count_query(self, category: str) -> None:
        """Count a query that is blocked today."""
        self._counts[datetime.now(UTC).date().isoformat(), category] += 1

    def flush(self) -> None:
        """Add the counts to the database; where it does not answer, they are kept for the next time."""
        if not self._counts:
            return  # a transaction would block the writes of the other workers every few seconds for nothing
        counts, self._counts = self._counts, Counter()
        try:
            with self.engine.begin() as connection:
                for (day, category), count in counts.items():
                    is_row = (blocked_counts.c.day == day) & (blocked_counts.c.category == category)
                    increment = update(blocked_counts).where(is_row)
                    # Added in the database: other workers count into the same row
                    increment = increment.values(count=blocked_counts.c.count + count)
                    if not connection.execute(increment).rowcount:
                        row = insert(blocked_counts).values(day=day, category=category, count=count)
                        connection.execute(row)
        except Exception:
            self._counts.update(counts)
            raise


def count_blocked(engine: Engine, since: str) -> list[tuple[str, int]]:
    """Return how many queries of each category were blocked since a day (2026-11-30), the most frequent first."""
    total = func.sum(blocked_counts.c.count)
    query = (
        select(blocked_counts.c.category, total)
        .where(blocked_counts.c.day >= since)
        .group_by(blocked_counts.c.category)
        .order_by(total.desc(), blocked_counts.c.category)
    )
    with open_reader(engine) as connection:
        return [(str(category), int(count)) for category, count in connection.execute(query)]


def keep_report(engine: Engine, query: str, comment: str, category: str, score: float) -> None:
    """Keep a report of a blocked query. A query that was reported before is counted, and the decision on it stays."""
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
    except IntegrityError:  # another worker inserted it between the update and the insert
        with engine.begin() as connection:
            connection.execute(again)


def open_reports(engine: Engine) -> list[BlockReport]:
    """Return the reports that are not decided, the most frequent first."""
    columns = [block_reports.c[field.name] for field in fields(BlockReport)]
    query = (
        select(*columns)
        .where(block_reports.c.state == "open")
        .order_by(block_reports.c.times.desc(), block_reports.c.number)
    )
    with open_reader(engine) as connection:
        return [BlockReport(*row) for row in connection.execute(query)]


def decide_reports(engine: Engine, numbers: Sequence[int], state: State) -> None:
    """Set the state of reports to what staff decided."""
    with engine.begin() as connection:
        is_decided = block_reports.c.number.in_(numbers)
        connection.execute(update(block_reports).where(is_decided).values(state=state))
