"""Interactions as a sparse matrix, and the parts of a held-out user's history."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from components.catalogue.implicit_feedback import liked
from components.catalogue.tables import interaction_parts, read_items

Csr = sparse.csr_matrix
Indices = NDArray[np.int64]
Floats = NDArray[np.float32]
ENTRY = np.dtype(
    [("user", np.int32), ("item", np.int32), ("weight", np.float32), ("seconds", np.int64)]
)  # as read


@dataclass(frozen=True)
class InteractionMatrix:
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


def collect(interactions: pd.DataFrame, item_ids: Sequence[str], minimum_rating: float) -> InteractionMatrix:
    """Keep what tells of liking, each user and item once, over the given items in their order.

    A good rating counts 1, a click, view or purchase its weight; of several the largest counts.
    """
    return collect_parts([interactions], item_ids, minimum_rating)


def collect_parts(
    parts: Iterable[pd.DataFrame], item_ids: Sequence[str], minimum_rating: float
) -> InteractionMatrix:
    """The same from a table that comes in parts, of which one at a time is held beside 20 bytes an entry."""
    columns = pd.Index(item_ids)
    numbers: dict[str, int] = {}
    entries = np.concatenate(
        [np.zeros(0, ENTRY), *(_entries(part, columns, numbers, minimum_rating) for part in parts)]
    )
    user_ids, place = np.unique(np.array(list(numbers), dtype=object), return_inverse=True)
    cells = place[entries["user"]] * len(columns) + entries["item"]
    order = np.argsort(cells, kind="stable")
    cells = cells[order]
    firsts = np.flatnonzero(np.diff(cells, prepend=-1))
    weights, seconds = (np.maximum.reduceat(entries[name][order], firsts) for name in ("weight", "seconds"))
    cells = cells[firsts]
    starts = np.searchsorted(cells, np.arange(len(user_ids) + 1) * len(columns))
    matrix = Csr((weights, cells % max(1, len(columns)), starts), shape=(len(user_ids), len(columns)))
    return InteractionMatrix(matrix, user_ids, np.asarray(item_ids, dtype=object), seconds)


def _entries(
    part: pd.DataFrame, columns: pd.Index, numbers: dict[str, int], minimum_rating: float
) -> NDArray[np.void]:
    """The entries of a part that tell of liking; users met for the first time get the next of `numbers`."""
    items = part["item_id"].astype("category").cat
    item = columns.get_indexer(pd.Index(items.categories))[items.codes]
    part, item = (kept[item >= 0] for kept in (part, item))
    told = liked(part.assign(item=item), minimum_rating)
    users = told["user_id"].astype("category").cat.remove_unused_categories().cat
    number = np.array([numbers.setdefault(user, len(numbers)) for user in users.categories], dtype=np.int32)
    entries = np.empty(len(told), ENTRY)
    entries["user"], entries["item"] = number[users.codes], told["item"]
    entries["weight"] = told["weight"].where(told["kind"] != "rating", 1.0)
    entries["seconds"] = told["timestamp"]
    return entries


def read_interaction_matrix(catalogue: Path, minimum_rating: float) -> InteractionMatrix:
    """Read the interactions that count as liking, over a catalogue's items in their order."""
    item_ids = read_items(catalogue)["item_id"].tolist()
    return collect_parts(interaction_parts(catalogue), item_ids, minimum_rating)


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
