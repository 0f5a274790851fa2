"""Histories of users: the items that they liked, by the rule of the recommender's training, and those liked since."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from components.bundle.stores.id_index import find_key, hash_id, sort_ids
from components.recommender.interaction_matrix import build_matrix_from_parts

Rows = NDArray[np.int64]
Weights = NDArray[np.float32]
ARRAYS = ("keys", "starts", "items", "weights")
MAX_NAMED_USERS = 100  # whose ids stay readable, for the list of users on the page


class UserHistories:
    """Rows and weights of the items that users liked, found by a hash of the user's id.

    keys: (u,) sorted hashes. starts: (u + 1,) where each user's part of `items` and `weights` begins. named: ids of
    the users with the longest histories; no other id can be read from the files.
    """

    def __init__(
        self, keys: NDArray[np.uint64], starts: Rows, items: Rows, weights: Weights, named: Sequence[str]
    ) -> None:
        self.keys, self.starts, self.items, self.weights, self.named = keys, starts, items, weights, named
        self._added: dict[int, dict[int, float]] = {}
        self._forgotten: set[int] = set()

    @classmethod
    def from_interactions(
        cls, parts: Iterable[pd.DataFrame], item_ids: Sequence[str], minimum_rating: float
    ) -> "UserHistories":
        """Collect the histories from a catalogue's interactions, which may come in parts.

        Raises ValueError where two ids share a hash.
        """
        interactions = build_matrix_from_parts(parts, item_ids, minimum_rating)
        keys, order = sort_ids(map(str, interactions.user_ids))
        matrix, lengths = interactions.matrix[order], np.diff(interactions.matrix.indptr)
        longest = np.lexsort((interactions.user_ids.astype(str), -lengths))[:MAX_NAMED_USERS]
        return cls(
            keys,
            matrix.indptr.astype(np.int64),
            items=matrix.indices.astype(np.int32),
            weights=matrix.data.astype(np.float32),
            named=list(map(str, interactions.user_ids[longest])),
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
        arrays = {}
        for name in ARRAYS:
            # asarray, since every slice of a memmap would be a memmap again, which is slow to make
            arrays[name] = np.asarray(np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False))
        return cls(**arrays, named=json.loads((folder / "named.json").read_text()))

    def of_user(self, user_id: str | None) -> tuple[Rows, Weights]:
        """Return rows and weights of the items that a user liked; none for an unknown user."""
        if not user_id:
            return np.empty(0, np.int64), np.empty(0, np.float32)
        key = hash_id(user_id)
        rows, weights = self._find_built(key)
        added = self._added.get(key)
        if not added:
            return rows, weights
        history = dict(zip(rows.tolist(), weights.tolist(), strict=True))
        for row, weight in added.items():
            history[row] = max(weight, history.get(row, 0.0))
        return np.array(list(history), np.int64), np.array(list(history.values()), np.float32)

    def add(self, user_id: str, row: int, weight: float) -> None:
        """Add an item that a user has just liked; of several weights the largest counts."""
        added = self._added.setdefault(hash_id(user_id), {})
        added[row] = max(weight, added.get(row, 0.0))

    def forget(self, user_id: str) -> None:
        """Drop the history of a user."""
        key = hash_id(user_id)
        self._added.pop(key, None)
        # the mapped files cannot be written to; the next bundle is built without the user
        self._forgotten.add(key)

    def find_most_active(self, count: int) -> list[str]:
        """Return the ids of the users with the longest histories, without those who were forgotten."""
        return [user for user in self.named if hash_id(user) not in self._forgotten][:count]

    def _find_built(self, key: int) -> tuple[Rows, Weights]:
        """Return the history that the bundle was built with."""
        position = None if key in self._forgotten else find_key(self.keys, key)
        if position is None:
            return np.empty(0, np.int64), np.empty(0, np.float32)
        part = slice(int(self.starts[position]), int(self.starts[position + 1]))
        return self.items[part].astype(np.int64), self.weights[part]
