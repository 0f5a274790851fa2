"""Item factors with their ids, and the sparse part beside them: what a user's items say about every other item."""

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

from components.recommender.content_regression import ContentRegression
from components.recommender.interaction_matrix import Csr, Floats, Indices
from components.recommender.settings import RecommenderError

CSR_ARRAYS = ("data", "indices", "indptr")
TYPES = {"F32": np.float32, "F64": np.float64, "I32": np.int32, "I64": np.int64}


@dataclass(frozen=True)
class ItemFactors:
    """Rows of length 1 where they were learnt, shorter where they are guessed, in the order of `item_ids`.

    matrix: (i, d). interactions: training users who liked the item, (i,). cold: whether the row is a guess from
    the item's content, (i,). neighbours: the sparse part S (i, i), where there is one; a user's row x then scores
    xAAᵀ + xS. content: the map that made the guesses, where there is one.
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
        arrays = _map(folder / "factors.safetensors")
        matrix = arrays["factors"]
        items = pd.read_parquet(folder / "items.parquet")
        if len(matrix) != len(items):
            raise RecommenderError(
                f"{folder}: {len(matrix)} factors for {len(items)} items. Run the recommender's stages again."
            )
        cold = items["cold"].to_numpy(bool) if "cold" in items else np.zeros(len(items), bool)
        ids = items["item_id"].to_numpy(object)
        return cls(
            ids, matrix, items["interactions"].to_numpy(np.int64), cold, _neighbours(arrays), _content(arrays)
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
        pd.DataFrame(columns).astype({"item_id": "str"}).to_parquet(folder / "items.parquet", index=False)

    def over(self, item_ids: NDArray[Any]) -> "ItemFactors":
        """The same over other items, in their order; an item unknown here gets zeros and counts as cold."""
        rows = pd.Index(self.item_ids).get_indexer(pd.Index(item_ids))
        known = np.flatnonzero(rows >= 0)
        matrix = np.zeros((len(rows), self.matrix.shape[1]), np.float32)
        interactions, cold = np.zeros(len(rows), np.int64), np.ones(len(rows), bool)
        matrix[known], interactions[known] = self.matrix[rows[known]], self.interactions[rows[known]]
        cold[known] = self.cold[rows[known]]
        if self.neighbours is None:
            return ItemFactors(item_ids, matrix, interactions, cold)
        place = Csr(
            (np.ones(len(known), np.float32), (known, rows[known])), shape=(len(rows), len(self.item_ids))
        )
        return ItemFactors(item_ids, matrix, interactions, cold, Csr(place @ self.neighbours @ place.T))

    @cached_property
    def rows(self) -> dict[str, int]:
        """Row of each item id."""
        return {item: row for row, item in enumerate(self.item_ids)}

    @property
    def popularity(self) -> Floats:
        """Share of all interactions that are the item's, (i,)."""
        shares: Floats = (self.interactions / max(1, self.interactions.sum())).astype(np.float32)
        return shares

    @property
    def relative_popularity(self) -> Floats:
        """Popularity (i,) of which the largest is 1."""
        return self.popularity / max(float(self.popularity.max(initial=0)), 1e-9)

    def user_row(self, item_ids: Sequence[str], weights: Sequence[float] | None = None) -> Csr:
        """A history as a user's row x (1, i); unknown items say nothing, and an item's weights add up."""
        chosen = [1.0] * len(item_ids) if weights is None else weights
        if len(chosen) != len(item_ids):
            raise ValueError(f"{len(chosen)} weights for {len(item_ids)} items")
        rows = np.array([self.rows.get(item, -1) for item in item_ids], dtype=np.int64)
        known = np.flatnonzero(rows >= 0)
        data = np.asarray(chosen, dtype=np.float32)[known]
        return Csr((data, (np.zeros(len(known), np.int64), rows[known])), shape=(1, len(self.item_ids)))

    def user_vector(self, item_ids: Sequence[str], weights: Sequence[float] | None = None) -> Floats:
        """What a history says of its user, xA (d,): the weighted sum of its items' rows."""
        vector: Floats = (self.user_row(item_ids, weights) @ self.matrix)[0]
        return vector

    def scores(self, user_vector: Floats) -> Floats:
        """How much a user likes every item by the factors alone, (i,); the caller leaves out what the user has."""
        return self.matrix @ user_vector

    def beside(self, rows: Indices, weights: Floats) -> tuple[Indices, Floats]:
        """What the sparse part says for a history of some rows and their weights: rows in order, and how much."""
        if self.neighbours is None or not len(rows):
            return np.zeros(0, np.int64), np.zeros(0, np.float32)
        starts = self.neighbours.indptr[rows].astype(np.int64)
        lengths = self.neighbours.indptr[rows + 1] - starts
        ends = np.cumsum(lengths)
        places = np.arange(ends[-1]) + np.repeat(starts - ends + lengths, lengths)
        spoken = self.neighbours.indices[places]
        added = self.neighbours.data[places] * np.repeat(weights, lengths)
        order = np.argsort(spoken, kind="stable")
        spoken = spoken[order].astype(np.int64)
        first = np.flatnonzero(np.diff(spoken, prepend=-1))
        return spoken[first], np.add.reduceat(added[order], first)

    def predict(self, users: Csr) -> Floats:
        """How much users (b, i) like every item, (b, i), by factors and sparse part; what they have is scored too."""
        scores: Floats = (users @ self.matrix) @ self.matrix.T
        if self.neighbours is not None:
            scores += (users @ self.neighbours).toarray()
        return scores


def _map(file: Path) -> dict[str, NDArray[Any]]:
    """The arrays of a safetensors file, none of them read: its header says where each lies.

    Raises RecommenderError where the file is not whole.
    """
    try:
        with file.open("rb") as opened:
            length = int.from_bytes(opened.read(8), "little")
            header = json.loads(opened.read(length))
        rest = np.asarray(np.memmap(file, np.uint8, "r"))[8 + length :]
        return {
            name: rest[slice(*entry["data_offsets"])].view(TYPES[entry["dtype"]]).reshape(entry["shape"])
            for name, entry in header.items()
            if name != "__metadata__"
        }
    except (ValueError, KeyError, OverflowError) as fault:
        raise RecommenderError(f"{file} is not whole: {fault}. Run the recommender's stages again.") from None


def _neighbours(arrays: dict[str, Any]) -> Csr | None:
    if "neighbours_data" not in arrays:
        return None
    items = len(arrays["factors"])
    return Csr(tuple(arrays[f"neighbours_{part}"] for part in CSR_ARRAYS), shape=(items, items))


def _content(arrays: dict[str, Any]) -> ContentRegression | None:
    if "content_weights" not in arrays:
        return None
    return ContentRegression(arrays["content_weights"], arrays["content_offset"])
