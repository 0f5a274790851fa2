"""A segment that follows the catalogue: new and changed vectors are searched beside the trees until both are merged."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.index.annoy_index import AnnoyVectors, Mask, Rows, Scores, best
from components.index.build import write_index
from components.index.growable_array import GrowableArray


class LiveIndex:
    """A base of mapped trees and an exact delta of the rows put since; a row put again counts as it is now.

    Rows are numbered as in the base, and on from its end.
    """

    def __init__(self, base: AnnoyVectors) -> None:
        self.base = base
        self._start(base)

    def _start(self, base: AnnoyVectors) -> None:
        self._moved = np.zeros(len(base), bool)
        self._place: dict[int, int] = {}
        self._rows = GrowableArray(np.empty(0, np.int64))
        self._vectors = GrowableArray(np.empty((0, base.vectors.shape[1]), np.float32))
        self._short = GrowableArray(np.empty((0, base.directions.shape[1]), np.float32))
        self._squared = GrowableArray(np.empty(0, np.float32))

    def __len__(self) -> int:
        return max(len(self.base), int(self._rows.values.max(initial=-1)) + 1)

    @property
    def dimensions(self) -> int:
        """Length of a vector."""
        return int(self.base.vectors.shape[1])

    @property
    def delta(self) -> int:
        """Rows that lie beside the trees."""
        return len(self._place)

    def put(self, row: int, vector: NDArray[Any]) -> None:
        """Give a row its vector (d,): a new row, or another vector for one that is there."""
        whole = np.asarray(vector, np.float32)
        short = self.base.aim(whole)
        place = self._place.get(row)
        if place is None:
            self._place[row] = self._rows.append(row)
            self._vectors.append(whole)
            self._short.append(short)
            self._squared.append(short @ short)
            if row < len(self.base):
                self._moved[row] = True
        else:
            self._vectors.values[place], self._short.values[place] = whole, short
            self._squared.values[place] = short @ short

    def vectors_of(self, rows: Rows) -> Scores:
        """The vectors of some rows, (rows, d)."""
        found = self.base.vectors[np.minimum(rows, len(self.base) - 1)]
        if self._place:
            for place, row in enumerate(rows.tolist()):
                if row in self._place:
                    found[place] = self._vectors.values[self._place[row]]
        return np.asarray(found)

    def scores(self, rows: Rows, vector: NDArray[Any]) -> Scores:
        """Inner products of some rows with a vector, (rows,)."""
        if not self._place:
            return self.base.scores(rows, vector)
        return self.vectors_of(rows) @ np.asarray(vector, np.float32)

    def search(
        self, vector: NDArray[Any], k: int, allowed: Mask | None = None, nodes: int | None = None
    ) -> tuple[Rows, Scores]:
        """The k allowed rows of largest inner product with a vector, best first.

        allowed: (rows,), or None for all. nodes: that the trees inspect at least, where it is not what the settings say.
        Fewer than k come back only where fewer are allowed.
        """
        if not self._place:
            return self.base.search(vector, k, allowed, nodes)
        wanted, n_base = np.asarray(vector, np.float32), len(self.base)
        still = ~self._moved if allowed is None else allowed[:n_base] & ~self._moved
        rows, scores = self.base.search(wanted, k, still, nodes)
        new, new_scores = self._search_delta(wanted, k, allowed)
        return best(np.concatenate([rows, new]), np.concatenate([scores, new_scores]), k)

    def _search_delta(self, vector: Scores, k: int, allowed: Mask | None) -> tuple[Rows, Scores]:
        """Find candidates among the delta by their main directions, and score them exactly."""
        rows = self._rows.values
        places = np.arange(len(rows)) if allowed is None else np.flatnonzero(allowed[rows])
        candidates = max(2 * k, self.base.settings.candidates)
        if len(places) > 2 * candidates:
            near = 2 * self._short.values @ self.base.aim(vector) - self._squared.values
            places = places[np.argpartition(-near[places], candidates)[:candidates]]
        return best(rows[places], self._vectors.values[places] @ vector, k)

    @property
    def is_large(self) -> bool:
        """Whether so much lies beside the trees that they should be grown again."""
        return self.delta > max(
            self.base.settings.exact_rows, self.base.settings.merge_share * len(self.base)
        )

    def beside(self) -> tuple[Rows, Scores]:
        """The rows that lie beside the trees, and their vectors, as they are now."""
        return self._rows.values.copy(), self._vectors.values.copy()

    def rebase(self, base: AnnoyVectors) -> None:
        """Take a merged base; what was put while it was made lies beside it."""
        rows, vectors = self.beside()
        self.base = base
        self._start(base)
        for row, vector in zip(rows.tolist(), vectors, strict=True):
            if row >= len(base) or not np.array_equal(base.vectors[row], vector):
                self.put(row, vector)


def merge(base: AnnoyVectors, rows: Rows, vectors: Scores, folder: Path, name: str) -> AnnoyVectors:
    """Write a base and what lies beside it into a folder as a new base, and open it; the old one stays as it is."""
    shape = (max(len(base), int(rows.max(initial=-1)) + 1), base.vectors.shape[1])
    whole = np.lib.format.open_memmap(folder / "whole.npy", "w+", np.float32, shape)
    whole[: len(base)] = base.vectors
    whole[rows] = vectors
    write_index({name: whole}, folder, base.settings)
    (folder / "whole.npy").unlink()
    return AnnoyVectors.open(folder, name)
