"""What each person has liked, by the rule that the recommender learnt by."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from components.recommender.interactions import Csr, collect

Rows = NDArray[np.int64]
Weights = NDArray[np.float32]


@dataclass(frozen=True)
class Histories:
    """Rows of `liked` (u, i) are people, found by their id; its columns are the items in order."""

    liked: Csr
    rows: dict[str, int]

    @classmethod
    def of(cls, interactions: pd.DataFrame, item_ids: Sequence[str], minimum_rating: float) -> "Histories":
        """Gather them from a catalogue's interactions."""
        found = collect(interactions, item_ids, minimum_rating)
        return cls(found.matrix, {str(user): row for row, user in enumerate(found.user_ids)})

    def of_user(self, user_id: str | None) -> tuple[Rows, Weights]:
        """Rows of the items that a person liked, and how much; none of a person who is not known."""
        row = self.rows.get(user_id or "")
        if row is None:
            return np.empty(0, np.int64), np.empty(0, np.float32)
        part = slice(self.liked.indptr[row], self.liked.indptr[row + 1])
        return self.liked.indices[part].astype(np.int64), self.liked.data[part].astype(np.float32)

    def longest(self, count: int) -> list[str]:
        """The people who liked most."""
        lengths = np.diff(self.liked.indptr)
        return sorted(self.rows, key=lambda user: (-lengths[self.rows[user]], user))[:count]
