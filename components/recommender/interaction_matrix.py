"""The sparse matrix of users and the items that they liked, and its splits into history and held-out items."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from components.catalogue.implicit_feedback import select_positives
from components.catalogue.tables import read_interaction_batches, read_items
from components.core.arrays import Csr, Indices

# 20 bytes an entry: a table of 105 million rows has to fit into memory
ENTRY = np.dtype([("user", np.int32), ("item", np.int32), ("weight", np.float32), ("seconds", np.int64)])


@dataclass(frozen=True)
class InteractionMatrix:
    """Weights of the items that users liked: `matrix` (u, i), its rows `user_ids`, its columns `item_ids`.

    seconds: the time of the latest interaction, in the order of the matrix's entries, (nnz,); 0 where it is unknown.
    """

    matrix: Csr
    user_ids: NDArray[Any]
    item_ids: NDArray[Any]
    seconds: Indices

    def select_users(self, users: Sequence[str]) -> Csr:
        """Return the rows of some users (u', i), in the matrix's order."""
        return self.matrix[np.flatnonzero(np.isin(self.user_ids, np.asarray(users, dtype=object)))]


def build_matrix(
    interactions: pd.DataFrame, item_ids: Sequence[str], minimum_rating: float
) -> InteractionMatrix:
    """Build the matrix of positive interactions, over the given items in their order.

    A good rating counts 1, a click, view or purchase its weight. Each pair of user and item counts once, by its
    largest weight.
    """
    return build_matrix_from_parts([interactions], item_ids, minimum_rating)


def build_matrix_from_parts(
    parts: Iterable[pd.DataFrame], item_ids: Sequence[str], minimum_rating: float
) -> InteractionMatrix:
    """Build the same matrix from a table that comes in parts; one part and 20 bytes an entry are in memory at once."""
    columns = pd.Index(item_ids)
    numbers: dict[str, int] = {}
    entries = np.concatenate(
        [np.zeros(0, ENTRY), *(_select_entries(part, columns, numbers, minimum_rating) for part in parts)]
    )
    # users are numbered as they come and sorted at the end, so that the matrix does not depend on the parts
    user_ids, row = np.unique(np.array(list(numbers), dtype=object), return_inverse=True)
    cells = row[entries["user"]] * len(columns) + entries["item"]
    order = np.argsort(cells, kind="stable")
    cells = cells[order]
    firsts = np.flatnonzero(np.diff(cells, prepend=-1))
    weights = np.maximum.reduceat(entries["weight"][order], firsts)
    seconds = np.maximum.reduceat(entries["seconds"][order], firsts)
    cells = cells[firsts]
    starts = np.searchsorted(cells, np.arange(len(user_ids) + 1) * len(columns))
    matrix = Csr((weights, cells % max(1, len(columns)), starts), shape=(len(user_ids), len(columns)))
    return InteractionMatrix(matrix, user_ids, item_ids=np.asarray(item_ids, dtype=object), seconds=seconds)


def _select_entries(
    part: pd.DataFrame, columns: pd.Index, numbers: dict[str, int], minimum_rating: float
) -> NDArray[np.void]:
    """Return the positive entries of a part; a user who is new gets the next of `numbers`."""
    # ids are looked up once a category: a hundred million rows of text do not fit into memory
    items = part["item_id"].astype("category").cat
    column = columns.get_indexer(pd.Index(items.categories))[items.codes]
    known = column >= 0
    positives = select_positives(part[known].assign(item=column[known]), minimum_rating)
    users = positives["user_id"].astype("category").cat.remove_unused_categories().cat
    number = np.array([numbers.setdefault(user, len(numbers)) for user in users.categories], dtype=np.int32)
    entries = np.empty(len(positives), ENTRY)
    entries["user"], entries["item"] = number[users.codes], positives["item"]
    # a rating says how good an item is, not how often it was taken: 5 stars must not count as five purchases
    entries["weight"] = positives["weight"].where(positives["kind"] != "rating", 1.0)
    entries["seconds"] = positives["timestamp"]
    return entries


def read_interaction_matrix(catalogue: Path, minimum_rating: float) -> InteractionMatrix:
    """Read the positive interactions of a catalogue, over its items in their order."""
    item_ids = read_items(catalogue)["item_id"].tolist()
    return build_matrix_from_parts(read_interaction_batches(catalogue), item_ids, minimum_rating)


def hold_out(users: Csr, share: float, seed: int) -> tuple[Csr, Csr]:
    """Split each row (u, i) at random into a history and held-out items.

    At least one item is on either side; a row with fewer than two items becomes empty in both.
    """
    draw = np.random.default_rng(seed)
    lengths = np.diff(users.indptr)
    hidden = np.zeros(users.nnz, dtype=bool)
    kept = np.repeat(lengths >= 2, lengths)
    for start, end in zip(users.indptr[:-1], users.indptr[1:], strict=True):
        if end - start >= 2:
            count = max(1, int(share * (end - start)))
            hidden[draw.choice(np.arange(start, end), count, replace=False)] = True
    return _mask_entries(users, kept & ~hidden), _mask_entries(users, hidden)


def hold_out_last(users: Csr, seconds: Indices) -> tuple[Csr, Csr]:
    """Split each row (u, i) by time into the last item and those before it.

    seconds: times in the order of the entries, (nnz,); of items of one time the last column is taken. A row with fewer
    than two items becomes empty in both.
    """
    lengths = np.diff(users.indptr)
    order = np.lexsort((seconds, np.repeat(np.arange(users.shape[0]), lengths)))
    last = np.zeros(users.nnz, dtype=bool)
    last[order[users.indptr[1:][lengths >= 2] - 1]] = True
    return _mask_entries(users, np.repeat(lengths >= 2, lengths) & ~last), _mask_entries(users, last)


def rows_with_items(*parts: Csr) -> tuple[Csr, ...]:
    """Return the rows in which every part (u, i) has an item."""
    kept = np.flatnonzero(np.all([np.diff(part.indptr) > 0 for part in parts], axis=0))
    return tuple(part[kept] for part in parts)


def _mask_entries(matrix: Csr, kept: NDArray[np.bool_]) -> Csr:
    masked = matrix.copy()
    masked.data = np.where(kept, masked.data, 0).astype(matrix.dtype)
    masked.eliminate_zeros()  # metrics count the stored entries of a row
    return masked
