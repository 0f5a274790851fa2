"""Interactions as a sparse matrix, and the parts of a held-out user's history."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from components.catalogue.liking import liked

Csr = sparse.csr_matrix
Indices = NDArray[np.int64]
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Interactions:
    """Who liked what: `matrix` (u, i) holds how much; its rows are `user_ids`, its columns `item_ids`.

    seconds: when last, in the order of the matrix's entries, (nnz,); 0 where it is not known.
    """

    matrix: Csr
    user_ids: NDArray[Any]
    item_ids: NDArray[Any]
    seconds: Indices

    def of(self, users: Sequence[str]) -> Csr:
        """The rows of some users (u', i), in the matrix's order."""
        return self.matrix[np.flatnonzero(np.isin(self.user_ids, np.asarray(users, dtype=object)))]


def collect(interactions: pd.DataFrame, item_ids: Sequence[str], minimum_rating: float) -> Interactions:
    """Keep what tells of liking, each user and item once, over the given items in their order.

    A good rating counts 1, a click, view or purchase its weight; of several the largest counts.
    """
    kept = liked(interactions, minimum_rating)
    kept = kept[kept["item_id"].isin(set(item_ids))]
    kept = kept.assign(weight=kept["weight"].where(kept["kind"] != "rating", 1.0))
    kept = kept.groupby(["user_id", "item_id"])[["weight", "timestamp"]].max().reset_index()
    rows, users = pd.factorize(kept["user_id"], sort=True)
    columns = pd.Index(item_ids).get_indexer(pd.Index(kept["item_id"]))
    order = np.lexsort((columns, rows))
    weights = kept["weight"].to_numpy(dtype=np.float32)[order]
    matrix = Csr((weights, (rows[order], columns[order])), shape=(len(users), len(item_ids)))
    seconds = kept["timestamp"].to_numpy(dtype=np.int64)[order]
    return Interactions(matrix, np.asarray(users, dtype=object), np.asarray(item_ids, dtype=object), seconds)


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


def hold_out_last(users: Csr, seconds: Indices) -> tuple[Csr, Csr]:
    """Split each row (u, i) into what came before and the last item; a row with fewer than two becomes empty.

    seconds: when, in the order of the entries, (nnz,); of items of one time the last column is taken.
    """
    lengths = np.diff(users.indptr)
    order = np.lexsort((seconds, np.repeat(np.arange(users.shape[0]), lengths)))
    last = np.zeros(users.nnz, dtype=bool)
    last[order[users.indptr[1:][lengths >= 2] - 1]] = True
    return _masked(users, np.repeat(lengths >= 2, lengths) & ~last), _masked(users, last)


def rows_with_items(*parts: Csr) -> tuple[Csr, ...]:
    """The rows in which every part (u, i) has an item."""
    kept = np.flatnonzero(np.all([np.diff(part.indptr) > 0 for part in parts], axis=0))
    return tuple(part[kept] for part in parts)


def _masked(matrix: Csr, kept: NDArray[np.bool_]) -> Csr:
    masked = matrix.copy()
    masked.data = np.where(kept, masked.data, 0).astype(matrix.dtype)
    masked.eliminate_zeros()
    return masked
