"""What each person has liked, by the rule that the recommender learnt by: mapped from the bundle, and what came since."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from components.bundle.stores.id_index import find_key, hash_id, sort_ids
from components.recommender.interaction_matrix import collect_parts

Rows = NDArray[np.int64]
Weights = NDArray[np.float32]
ARRAYS = ("keys", "starts", "items", "weights")
NAMED = 100


class UserHistories:
    """Rows of items that people liked, and how much, found by a hash of the person's id.

    keys: (u,) sorted hashes. starts: (u + 1,) where each person's part of `items` and `weights` begins. named: ids of
    the people who liked most. Nothing here can be turned back into the id of anybody else.
    """

    def __init__(
        self, keys: NDArray[np.uint64], starts: Rows, items: Rows, weights: Weights, named: Sequence[str]
    ) -> None:
        self.keys, self.starts, self.items, self.weights, self.named = keys, starts, items, weights, named
        self._since: dict[int, dict[int, float]] = {}
        self._forgotten: set[int] = set()

    @classmethod
    def from_interactions(
        cls, parts: Iterable[pd.DataFrame], item_ids: Sequence[str], minimum_rating: float
    ) -> "UserHistories":
        """Gather them from a catalogue's interactions, which may come in parts.

        Raises ValueError where two ids share a hash.
        """
        found = collect_parts(parts, item_ids, minimum_rating)
        keys, order = sort_ids(str(user) for user in found.user_ids)
        liked, lengths = found.matrix[order], np.diff(found.matrix.indptr)
        most = np.lexsort((found.user_ids.astype(str), -lengths))[:NAMED]
        named = [str(user) for user in found.user_ids[most]]
        return cls(
            keys,
            liked.indptr.astype(np.int64),
            liked.indices.astype(np.int32),
            liked.data.astype(np.float32),
            named,
        )

    def save(self, folder: Path) -> None:
        """Write the folder that `load` maps."""
        folder.mkdir(parents=True, exist_ok=True)
        for name in ARRAYS:
            np.save(folder / f"{name}.npy", getattr(self, name), allow_pickle=False)
        (folder / "named.json").write_text(json.dumps(self.named, ensure_ascii=False) + "\n")

    @classmethod
    def load(cls, folder: Path) -> "UserHistories":
        """Map a saved folder; its pages are shared by all processes."""
        arrays = [np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in ARRAYS]
        keys, starts, items, weights = (np.asarray(array) for array in arrays)
        return cls(keys, starts, items, weights, json.loads((folder / "named.json").read_text()))

    def of_user(self, user_id: str | None) -> tuple[Rows, Weights]:
        """Rows of the items that a person liked, and how much; none of a person who is not known."""
        if not user_id:
            return np.empty(0, np.int64), np.empty(0, np.float32)
        key = hash_id(user_id)
        rows, weights = self._before(key)
        since = self._since.get(key)
        if not since:
            return rows, weights
        held = dict(zip(rows.tolist(), weights.tolist(), strict=True))
        for row, weight in since.items():
            held[row] = max(weight, held.get(row, 0.0))
        return np.array(list(held), np.int64), np.array(list(held.values()), np.float32)

    def add(self, user_id: str, row: int, weight: float) -> None:
        """Add what a person has just liked; of several weights the largest counts."""
        since = self._since.setdefault(hash_id(user_id), {})
        since[row] = max(weight, since.get(row, 0.0))

    def forget(self, user_id: str) -> None:
        """Know nothing of a person any more."""
        key = hash_id(user_id)
        self._since.pop(key, None)
        self._forgotten.add(key)

    def longest(self, count: int) -> list[str]:
        """The people who liked most."""
        return [user for user in self.named if hash_id(user) not in self._forgotten][:count]

    def _before(self, key: int) -> tuple[Rows, Weights]:
        place = None if key in self._forgotten else find_key(self.keys, key)
        if place is None:
            return np.empty(0, np.int64), np.empty(0, np.float32)
        part = slice(int(self.starts[place]), int(self.starts[place + 1]))
        return self.items[part].astype(np.int64), self.weights[part]
