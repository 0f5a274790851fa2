"""Item factors with their ids and the sparse part: the trained model that scores every item for a user."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from safetensors.numpy import save_file

from components.core.arrays import Csr, Floats, Indices
from components.recommender.content_regression import ContentRegression
from components.recommender.settings import RecommenderError

CSR_ARRAYS = ("data", "indices", "indptr")
TYPES = {"F32": np.float32, "F64": np.float64, "I32": np.int32, "I64": np.int64}


@dataclass(frozen=True)
class ItemFactors:
    """Factors of items in the order of `item_ids`: rows of length 1 if trained, shorter if predicted from content.

    matrix: (i, d). interactions: training users who liked the item, (i,). cold: whether the row is predicted from
    the item's content, (i,). neighbours: the sparse part S (i, i), where there is one; a user's row x then scores
    xAAᵀ + xS. content: the regression that predicts factors, where there is one.
    """

    item_ids: NDArray[Any]
    matrix: Floats
    interactions: NDArray[np.int64]
    cold: NDArray[np.bool_]
    neighbours: Csr | None = None
    content: ContentRegression | None = None

    @classmethod
    def load(cls, folder: Path) -> "ItemFactors":
        """Map `factors.safetensors` and read `items.parquet`; all processes share the pages.

        Raises RecommenderError when one is missing or they do not fit each other.
        """
        for name in ("factors.safetensors", "items.parquet"):
            if not (folder / name).is_file():
                raise RecommenderError(f"{folder / name} is missing. Run the recommender's stages again.")
        arrays = _map_arrays(folder / "factors.safetensors")
        matrix = arrays["factors"]
        items = pd.read_parquet(folder / "items.parquet")
        if len(matrix) != len(items):
            raise RecommenderError(
                f"{folder}: {len(matrix)} factors for {len(items)} items. Run the recommender's stages again."
            )
        return cls(
            items["item_id"].to_numpy(object),
            matrix,
            interactions=items["interactions"].to_numpy(np.int64),
            cold=items["cold"].to_numpy(bool) if "cold" in items else np.zeros(len(items), bool),
            neighbours=_view_neighbours(arrays),
            content=_view_content(arrays),
        )

    def save(self, folder: Path) -> None:
        """Write the folder that `load` reads."""
        folder.mkdir(parents=True, exist_ok=True)
        arrays = {"factors": np.ascontiguousarray(self.matrix)}
        if self.neighbours is not None:
            arrays |= {f"neighbours_{part}": getattr(self.neighbours, part) for part in CSR_ARRAYS}
        if self.content is not None:
            arrays |= {"content_weights": self.content.weights, "content_offset": self.content.offset}
        save_file(arrays, folder / "factors.safetensors")
        columns = {"item_id": self.item_ids, "interactions": self.interactions, "cold": self.cold}
        # astype, since a column without rows would otherwise have no type in the file
        pd.DataFrame(columns).astype({"item_id": "str"}).to_parquet(folder / "items.parquet", index=False)

    def align_to(self, item_ids: NDArray[Any]) -> "ItemFactors":
        """Return the factors of other items, in their order; an unknown item gets zeros and counts as cold."""
        rows = pd.Index(self.item_ids).get_indexer(pd.Index(item_ids))
        known = np.flatnonzero(rows >= 0)
        matrix = np.zeros((len(rows), self.matrix.shape[1]), np.float32)
        interactions, cold = np.zeros(len(rows), np.int64), np.ones(len(rows), bool)
        matrix[known], interactions[known] = self.matrix[rows[known]], self.interactions[rows[known]]
        cold[known] = self.cold[rows[known]]
        neighbours = None
        if self.neighbours is not None:
            # P (i', i) has a 1 where an item is known: PSPᵀ moves S without a dense array
            shape = (len(rows), len(self.item_ids))
            permutation = Csr((np.ones(len(known), np.float32), (known, rows[known])), shape=shape)
            neighbours = Csr(permutation @ self.neighbours @ permutation.T)
        return ItemFactors(item_ids, matrix, interactions=interactions, cold=cold, neighbours=neighbours)

    @cached_property
    def row_by_id(self) -> dict[str, int]:
        """Row of each item id."""
        return {item: row for row, item in enumerate(self.item_ids)}

    @property
    def popularity(self) -> Floats:
        """Each item's share of all interactions, (i,)."""
        shares: Floats = (self.interactions / max(1, self.interactions.sum())).astype(np.float32)
        return shares

    @property
    def relative_popularity(self) -> Floats:
        """Popularity (i,) of which the largest is 1."""
        return self.popularity / max(float(self.popularity.max(initial=0)), 1e-9)

    def user_row(self, item_ids: Sequence[str], weights: Sequence[float] | None = None) -> Csr:
        """Return a history as a user's row x (1, i); unknown items are left out, weights of one item add up.

        Raises ValueError where there are not as many weights as items.
        """
        given = [1.0] * len(item_ids) if weights is None else weights
        if len(given) != len(item_ids):
            raise ValueError(f"{len(given)} weights for {len(item_ids)} items")
        rows = np.array([self.row_by_id.get(item, -1) for item in item_ids], dtype=np.int64)
        known = np.flatnonzero(rows >= 0)
        data = np.asarray(given, dtype=np.float32)[known]
        return Csr((data, (np.zeros(len(known), np.int64), rows[known])), shape=(1, len(self.item_ids)))

    def user_vector(self, item_ids: Sequence[str], weights: Sequence[float] | None = None) -> Floats:
        """Return the user embedding of a history, xA (d,): the weighted sum of its items' rows."""
        vector: Floats = (self.user_row(item_ids, weights) @ self.matrix)[0]
        return vector

    def scores(self, user_vector: Floats) -> Floats:
        """Return the scores of every item by the factors alone, (i,); the caller leaves out the user's own items."""
        return self.matrix @ user_vector

    def score_neighbours(self, rows: Indices, weights: Floats) -> tuple[Indices, Floats]:
        """Return xS for a history of some rows and their weights: the rows that it scores, in order, and the scores."""
        if self.neighbours is None or not len(rows):
            return np.zeros(0, np.int64), np.zeros(0, np.float32)
        # the few rows of S are gathered by hand: a product of sparse matrices would walk over every item
        starts = self.neighbours.indptr[rows].astype(np.int64)
        lengths = self.neighbours.indptr[rows + 1] - starts
        ends = np.cumsum(lengths)
        entries = np.arange(ends[-1]) + np.repeat(starts - ends + lengths, lengths)
        columns = self.neighbours.indices[entries]
        scores = self.neighbours.data[entries] * np.repeat(weights, lengths)
        order = np.argsort(columns, kind="stable")
        columns = columns[order].astype(np.int64)
        firsts = np.flatnonzero(np.diff(columns, prepend=-1))
        return columns[firsts], np.add.reduceat(scores[order], firsts)

    def predict(self, users: Csr) -> Floats:
        """Return the scores of every item for users (b, i), (b, i), by factors and sparse part, their own included."""
        scores: Floats = (users @ self.matrix) @ self.matrix.T
        if self.neighbours is not None:
            scores += (users @ self.neighbours).toarray()
        return scores


def _map_arrays(file: Path) -> dict[str, NDArray[Any]]:
    """Map the arrays of a safetensors file.

    Raises RecommenderError where the file is not whole.
    """
    # safetensors' own reader copies every array: each worker would hold the factors a second time
    try:
        with file.open("rb") as opened:
            length = int.from_bytes(opened.read(8), "little")
            header = json.loads(opened.read(length))
        data = np.asarray(np.memmap(file, np.uint8, "r"))[8 + length :]
        arrays = {}
        for name, entry in header.items():
            if name != "__metadata__":
                view = data[slice(*entry["data_offsets"])].view(TYPES[entry["dtype"]])
                arrays[name] = view.reshape(entry["shape"])
    except (ValueError, KeyError, OverflowError) as error:
        raise RecommenderError(f"{file} is not whole: {error}. Run the recommender's stages again.") from None
    return arrays


def _view_neighbours(arrays: dict[str, Any]) -> Csr | None:
    if "neighbours_data" not in arrays:
        return None
    n_items = len(arrays["factors"])
    return Csr(tuple(arrays[f"neighbours_{part}"] for part in CSR_ARRAYS), shape=(n_items, n_items))


def _view_content(arrays: dict[str, Any]) -> ContentRegression | None:
    if "content_weights" not in arrays:
        return None
    return ContentRegression(arrays["content_weights"], arrays["content_offset"])
