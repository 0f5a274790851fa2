"""The latest texts that people asked, judged harmless, understood and encoded once."""

from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from components.language.understanding import Understanding, Vocabulary

KEPT = 4096


@dataclass(frozen=True)
class Text:
    """What a text means by a vocabulary, and its vector (d,)."""

    meant: Understanding
    vector: NDArray[np.float32]
    vocabulary: Vocabulary


class Texts:
    """Keeps the latest; moving a price range, taking a filter away or the next page judges and encodes nothing again."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._kept: OrderedDict[str, Text] = OrderedDict()

    def get(self, text: str, vocabulary: Vocabulary) -> Text | None:
        """What is known of a text; nothing where the catalogue has learnt new values since."""
        with self._lock:
            found = self._kept.get(text)
            if found is None or found.vocabulary is not vocabulary:
                return None
            self._kept.move_to_end(text)
            return found

    def keep(self, text: str, known: Text) -> None:
        """Keep what is known of a text, in the place of the one not asked for longest."""
        with self._lock:
            self._kept[text] = known
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
