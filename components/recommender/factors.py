"""Item factors with their ids: what a user's items say about every other item."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from components.recommender.settings import RecommenderError

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Factors:
    """Rows of length 1, one an item, in the order of `item_ids`.

    matrix: (i, d). interactions: training users who liked the item, (i,). cold: whether the row is a guess from
    the item's content, (i,).
    """

    item_ids: NDArray[Any]
    matrix: Floats
    interactions: NDArray[np.int64]
    cold: NDArray[np.bool_]

    @classmethod
    def load(cls, folder: Path) -> "Factors":
        """Read `factors.safetensors` and `items.parquet`.

        Raises RecommenderError when one is missing or they do not fit each other.
        """
        for name in ("factors.safetensors", "items.parquet"):
            if not (folder / name).is_file():
                raise RecommenderError(f"{folder / name} is missing. Run the recommender's stages again.")
        matrix = load_file(folder / "factors.safetensors")["factors"]
        items = pd.read_parquet(folder / "items.parquet")
        if len(matrix) != len(items):
            raise RecommenderError(
                f"{folder}: {len(matrix)} factors for {len(items)} items. Run the recommender's stages again."
            )
        cold = items["cold"].to_numpy(bool) if "cold" in items else np.zeros(len(items), bool)
        ids = items["item_id"].to_numpy(object)
        return cls(ids, matrix, items["interactions"].to_numpy(np.int64), cold)

    def save(self, folder: Path) -> None:
        """Write the folder that `load` reads."""
        folder.mkdir(parents=True, exist_ok=True)
        save_file({"factors": np.ascontiguousarray(self.matrix)}, folder / "factors.safetensors")
        columns = {"item_id": self.item_ids, "interactions": self.interactions, "cold": self.cold}
        pd.DataFrame(columns).astype({"item_id": "str"}).to_parquet(folder / "items.parquet", index=False)

    @cached_property
    def rows(self) -> dict[str, int]:
        """Row of each item id."""
        return {item: row for row, item in enumerate(self.item_ids)}

    @property
    def popularity(self) -> Floats:
        """Share of all interactions that are the item's, (i,)."""
        shares: Floats = (self.interactions / max(1, self.interactions.sum())).astype(np.float32)
        return shares

    def user_vector(self, item_ids: Sequence[str], weights: Sequence[float] | None = None) -> Floats:
        """What a history says of its user, (d,): the weighted sum of its items' rows; unknown items say nothing."""
        chosen = [1.0] * len(item_ids) if weights is None else weights
        if len(chosen) != len(item_ids):
            raise ValueError(f"{len(chosen)} weights for {len(item_ids)} items")
        known = [
            (self.rows[item], weight)
            for item, weight in zip(item_ids, chosen, strict=True)
            if item in self.rows
        ]
        rows = np.array([row for row, _ in known], dtype=np.int64)
        vector: Floats = np.array([weight for _, weight in known], dtype=np.float32) @ self.matrix[rows]
        return vector

    def scores(self, user_vector: Floats) -> Floats:
        """How much a user likes every item, (i,); the caller leaves out what the user has."""
        return self.matrix @ user_vector
