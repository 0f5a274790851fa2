"""An index that follows the catalogue: new and changed vectors lie in an exact delta until they are merged."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.index.annoy_index import AnnoyVectors, Mask, Rows, Scores, top_rows
from components.index.build_index import write_index
from components.index.growable_array import GrowableArray


class LiveIndex:
    """A base of mapped trees and a delta of the rows that were put since the base was built.

    The delta is searched by its main directions and scored exactly. Its vector of a row replaces that of the base. Row
    numbers are those of the base; new rows follow its last one.
    """

    def __init__(self, base: AnnoyVectors) -> None:
        self.base = base
        self._reset_delta(base)

    def _reset_delta(self, base: AnnoyVectors) -> None:
        self._moved = np.zeros(len(base), bool)
        self._places: dict[int, int] = {}  # of rows in the arrays below
        self._rows = GrowableArray(np.empty(0, np.int64))
        self._vectors = GrowableArray(np.empty((0, base.vectors.shape[1]), np.float32))
        self._short = GrowableArray(np.empty((0, base.directions.shape[1]), np.float32))
        self._squared = GrowableArray(np.empty(0, np.float32))

    def __len__(self) -> int:
        return max(len(self.base), int(self._rows.values.max(initial=-1)) + 1)

    @property
    def dimensions(self) -> int:
        """Return the length of a vector."""
        return int(self.base.vectors.shape[1])

    @property
    def delta_size(self) -> int:
        """Return the number of rows in the delta."""
        return len(self._places)

    def put_vector(self, row: int, vector: NDArray[Any]) -> None:
        """Set the vector (d,) of a new row or of one that exists."""
        whole = np.asarray(vector, np.float32)
        short = self.base.project_query(whole)
        place = self._places.get(row)
        if place is None:
            self._places[row] = self._rows.append(row)
            self._vectors.append(whole)
            self._short.append(short)
            self._squared.append(short @ short)
            if row < len(self.base):
                self._moved[row] = True  # the trees still hold its old vector, which must not be found
        else:
            self._vectors.values[place], self._short.values[place] = whole, short
            self._squared.values[place] = short @ short

    def vectors_of(self, rows: Rows) -> Scores:
        """Return the vectors (rows, d) of some rows."""
        # Rows beyond the base are clipped here and overwritten below; an index array makes a copy
        vectors = self.base.vectors[np.minimum(rows, len(self.base) - 1)]
        if self._places:
            for position, row in enumerate(rows.tolist()):
                if row in self._places:
                    vectors[position] = self._vectors.values[self._places[row]]
        return np.asarray(vectors)

    def scores(self, rows: Rows, vector: NDArray[Any]) -> Scores:
        """Return the inner products (rows,) of some rows with a vector (d,)."""
        if not self._places:
            return self.base.scores(rows, vector)
        return self.vectors_of(rows) @ np.asarray(vector, np.float32)

    def search(
        self, vector: NDArray[Any], k: int, allowed: Mask | None = None, nodes: int | None = None
    ) -> tuple[Rows, Scores]:
        """Return the k allowed rows with the largest inner product with a vector (d,), best first, and the products.

        allowed: (i,), or None for all rows. nodes: the least number of nodes that the trees inspect; by default
        `search_k` of the settings. Returns fewer than k rows only if fewer are allowed.
        """
        if not self._places:
            return self.base.search(vector, k, allowed, nodes)
        wanted, n_base = np.asarray(vector, np.float32), len(self.base)
        unchanged = ~self._moved if allowed is None else allowed[:n_base] & ~self._moved
        rows, scores = self.base.search(wanted, k, unchanged, nodes)
        new, new_scores = self._search_delta(wanted, k, allowed)
        return top_rows(np.concatenate([rows, new]), np.concatenate([scores, new_scores]), k)

    def _search_delta(self, vector: Scores, k: int, allowed: Mask | None) -> tuple[Rows, Scores]:
        """Return the k best allowed rows of the delta: candidates by the main directions, scored exactly."""
        rows = self._rows.values
        places = np.arange(len(rows)) if allowed is None else np.flatnonzero(allowed[rows])
        candidates = max(2 * k, self.base.settings.candidates)
        if len(places) > 2 * candidates:  # with fewer rows all are scored exactly
            near = 2 * self._short.values @ self.base.project_query(vector) - self._squared.values
            places = places[np.argpartition(-near[places], candidates)[:candidates]]
        return top_rows(rows[places], self._vectors.values[places] @ vector, k)

    @property
    def is_large(self) -> bool:
        """Return whether the delta is so large that it should be merged into the trees."""
        settings = self.base.settings
        return self.delta_size > max(settings.exact_rows, settings.merge_share * len(self.base))

    def copy_delta(self) -> tuple[Rows, Scores]:
        """Return copies of the rows of the delta and of their vectors (rows, d)."""
        # Copies, because vectors are put while another thread merges these
        return self._rows.values.copy(), self._vectors.values.copy()

    def replace_base(self, base: AnnoyVectors) -> None:
        """Replace the base by a merged one, and keep in the delta what was put while the merge ran."""
        rows, vectors = self.copy_delta()
        self.base = base
        self._reset_delta(base)
        for row, vector in zip(rows.tolist(), vectors, strict=True):
            if row >= len(base) or not np.array_equal(base.vectors[row], vector):
                self.put_vector(row, vector)


def merge_delta(base: AnnoyVectors, rows: Rows, vectors: Scores, folder: Path, name: str) -> AnnoyVectors:
    """Write a base and a delta of it into a folder as a new base, and open that; the old base stays as it is."""
    shape = (max(len(base), int(rows.max(initial=-1)) + 1), base.vectors.shape[1])
    # In a file, so that the vectors of the old and the new base are not in memory at once
    whole = np.lib.format.open_memmap(folder / "whole.npy", "w+", np.float32, shape)
    whole[: len(base)] = base.vectors
    whole[rows] = vectors
    write_index({name: whole}, folder, base.settings)
    (folder / "whole.npy").unlink()
    return AnnoyVectors.open_segment(folder, name)
