"""What was found of the latest texts, so that none of them is judged or encoded twice."""

from collections.abc import Hashable
from threading import Lock
from typing import Generic, TypeVar

from cachetools import LRUCache

T = TypeVar("T")
KEPT = 4096


class Latest(Generic[T]):
    """Keeps what is found of texts, for many threads; of more than it keeps, the text not asked for longest goes."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._kept: LRUCache[Hashable, T] = LRUCache(KEPT)

    def get(self, text: Hashable) -> T | None:
        """What is known of a text."""
        with self._lock:
            return self._kept.get(text)

    def keep(self, text: Hashable, found: T) -> None:
        """Keep what was found of a text."""
        with self._lock:
            self._kept[text] = found
