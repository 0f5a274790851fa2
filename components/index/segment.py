"""A memory-mapped Annoy file that is searched exactly where that is cheaper, and always under any filter.

The vectors are not kept twice: an Annoy file starts with one node an item, and a node ends with its vector, so the
exact scores are read from the very pages that all processes share.
"""

import json
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
from annoy import AnnoyIndex
from numpy.typing import NDArray

from components.index.settings import SegmentError

Rows = NDArray[np.int64]
Scores = NDArray[np.float32]
Mask = NDArray[np.bool_]
FORMAT = 2
HEADER = 3  # float32-sized words before the vector of an angular node: descendants, two children
CACHED_ROWS = 256


@dataclass(frozen=True)
class Plan:
    """When a search is exact, and how far an approximate one looks."""

    search_nodes: int
    candidates: int
    exact_rows: int
    exact_share: float

    def is_exact(self, allowed: int, total: int) -> bool:
        """Whether scoring all allowed rows is cheaper than a walk through the trees."""
        return allowed <= max(self.exact_rows, self.exact_share * total)


class Segment:
    """Vectors of one kind, one a row of the id table."""

    def __init__(self, annoy: AnnoyIndex, vectors: Scores, plan: Plan) -> None:
        self.annoy, self.vectors, self.plan = annoy, vectors, plan

    @classmethod
    def open(cls, folder: Path, name: str) -> "Segment":
        """Map `<name>.ann` of an index folder into memory.

        Raises SegmentError when the folder has no such segment, or its size is not what index.json says.
        """
        described = folder / "index.json"
        if not described.is_file():
            raise SegmentError(f"{described} is missing. Run the stage index again.")
        index = json.loads(described.read_text())
        if index["format"] != FORMAT:
            raise SegmentError(
                f"{described} has format {index['format']}, not {FORMAT}. Run the stage index again."
            )
        if name not in index["segments"]:
            raise SegmentError(f"{described} has no segment {name}. It has {', '.join(index['segments'])}.")
        entry, file = index["segments"][name], folder / f"{name}.ann"
        vectors = _map_vectors(file, entry["rows"], entry["dims"])
        annoy = AnnoyIndex(entry["dims"] + 1, "angular")
        annoy.load(str(file))
        return cls(annoy, vectors, Plan(**index["plan"]))

    def __len__(self) -> int:
        return len(self.vectors)

    def search(self, vector: NDArray[Any], k: int, allowed: Mask | None = None) -> tuple[Rows, Scores]:
        """The k allowed rows of largest inner product with a vector, best first.

        allowed: (rows,), or None for all. Fewer than k come back only where fewer are allowed.
        """
        wanted = np.asarray(vector, dtype=np.float32)
        n_allowed = len(self) if allowed is None else int(np.count_nonzero(allowed))
        k = min(k, n_allowed)
        if k <= 0:
            return np.empty(0, np.int64), np.empty(0, np.float32)
        if self.plan.is_exact(n_allowed, len(self)):
            return self.exact(wanted, k, allowed)
        rows, scores = self.approximate(wanted, k, allowed, n_allowed / len(self))
        return (rows, scores) if len(rows) == k else self.exact(wanted, k, allowed)

    def exact(self, vector: Scores, k: int, allowed: Mask | None = None) -> tuple[Rows, Scores]:
        """Score every allowed row."""
        if allowed is None:
            return _best(np.arange(len(self)), self.vectors @ vector, k)
        rows = np.flatnonzero(allowed)
        return _best(rows, self._scores(rows, vector), k)

    def approximate(
        self, vector: Scores, k: int, allowed: Mask | None = None, share: float = 1.0
    ) -> tuple[Rows, Scores]:
        """Ask the trees for more candidates the fewer rows are allowed, and score exactly those that are.

        share: of the rows that are allowed. May find fewer than k.
        """
        n_candidates = min(len(self), ceil(max(2 * k, self.plan.candidates) / share))
        n_nodes = max(ceil(self.plan.search_nodes / share), n_candidates)
        lifted = np.append(vector, np.float32(0))
        rows = np.array(self.annoy.get_nns_by_vector(lifted, n_candidates, n_nodes), dtype=np.int64)
        if allowed is not None:
            rows = rows[allowed[rows]]
        return _best(rows, self._scores(rows, vector), k)

    def _scores(self, rows: Rows, vector: Scores) -> Scores:
        """Inner products of some rows, (rows,), gathered in parts that fit a core's cache."""
        scores = np.empty(len(rows), np.float32)
        for start in range(0, len(rows), CACHED_ROWS):
            part = slice(start, start + CACHED_ROWS)
            np.dot(self.vectors[rows[part]], vector, out=scores[part])
        return scores


def _map_vectors(file: Path, rows: int, dims: int) -> Scores:
    """The vectors (rows, dims) inside an Annoy file of lifted angular nodes, without a copy."""
    words = HEADER + dims + 1
    if not file.is_file() or file.stat().st_size < rows * words * 4 or file.stat().st_size % (words * 4):
        raise SegmentError(f"{file} is missing or not whole. Run the stage index again.")
    nodes = np.memmap(file, dtype=np.float32, mode="r")[: rows * words].reshape(rows, words)
    return np.asarray(nodes[:, HEADER:-1])


def _best(rows: Rows, scores: Scores, k: int) -> tuple[Rows, Scores]:
    if k < len(rows):
        near = np.argpartition(-scores, k - 1)[:k]
        rows, scores = rows[near], scores[near]
    order = np.lexsort((rows, -scores))[:k]
    return rows[order], scores[order]
