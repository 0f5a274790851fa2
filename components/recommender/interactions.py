"""Interactions as a sparse matrix, and the parts of a held-out user's history."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

Csr = sparse.csr_matrix
Indices = NDArray[np.int64]
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Interactions:
    """Who liked what: `matrix` (u, i) holds how much; its rows are `user_ids`, its columns `item_ids`."""

    matrix: Csr
    user_ids: NDArray[Any]
    item_ids: NDArray[Any]

    def of(self, users: Sequence[str]) -> Csr:
        """The rows of some users (u', i), in the matrix's order."""
        return self.matrix[np.flatnonzero(np.isin(self.user_ids, np.asarray(users, dtype=object)))]


def collect(interactions: pd.DataFrame, item_ids: Sequence[str], minimum_rating: float) -> Interactions:
    """Keep what tells of liking, each user and item once, over the given items in their order.

    A good rating counts 1, a click, view or purchase its weight; of several the largest counts.
    """
    rated = interactions["kind"] == "rating"
    liked = interactions[
        (~rated & (interactions["weight"] > 0)) | (rated & (interactions["weight"] >= minimum_rating))
    ]
    liked = liked[liked["item_id"].isin(set(item_ids))]
    liked = liked.assign(weight=liked["weight"].where(liked["kind"] != "rating", 1.0))
    liked = liked.groupby(["user_id", "item_id"], sort=True)["weight"].max().reset_index()
    rows, users = pd.factorize(liked["user_id"], sort=True)
    columns = pd.Index(item_ids).get_indexer(pd.Index(liked["item_id"]))
    weights = liked["weight"].to_numpy(dtype=np.float32)
    matrix = Csr((weights, (rows, columns)), shape=(len(users), len(item_ids)))
    matrix.sort_indices()
    return Interactions(matrix, np.asarray(users, dtype=object), np.asarray(item_ids, dtype=object))


def hold_out(users: Csr, share: float, seed: int) -> tuple[Csr, Csr]:
    """Split each row (u, i) into what is known and what has to be found.

    At least one item is on either side; a row with fewer than two items can have neither and becomes empty.
    """
    chance = np.random.default_rng(seed)
    hidden, kept = (
        np.zeros(users.nnz, dtype=bool),
        np.repeat(np.diff(users.indptr) >= 2, np.diff(users.indptr)),
    )
    for start, end in zip(users.indptr[:-1], users.indptr[1:], strict=True):
        if end - start >= 2:
            count = max(1, int(share * (end - start)))
            hidden[chance.choice(np.arange(start, end), count, replace=False)] = True
    return _masked(users, kept & ~hidden), _masked(users, hidden)


def rows_with_items(*parts: Csr) -> tuple[Csr, ...]:
    """The rows in which every part (u, i) has an item."""
    kept = np.flatnonzero(np.all([np.diff(part.indptr) > 0 for part in parts], axis=0))
    return tuple(part[kept] for part in parts)


def _masked(matrix: Csr, kept: NDArray[np.bool_]) -> Csr:
    masked = matrix.copy()
    masked.data = np.where(kept, masked.data, 0).astype(matrix.dtype)
    masked.eliminate_zeros()
    return masked
