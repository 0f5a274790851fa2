"""Memory-mapped vectors with an Annoy file of their main directions, searched under any filter.

Trees, or a scan where few rows are allowed, find candidates by few dimensions; the candidates are then scored exactly
by all dimensions. Nothing is read into memory: all processes share the pages of the files. An Annoy file starts with
one node an item, which ends with its vector, so the scan reads the very pages that the trees are searched in.
"""

import json
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
from annoy import AnnoyIndex
from numpy.typing import NDArray

from components.index.settings import IndexFileError, IndexSettings

Rows = NDArray[np.int64]
Scores = NDArray[np.float32]
Mask = NDArray[np.bool_]
FORMAT = 3
HEADER = 4  # float32-sized words before the vector of a Euclidean node: descendants, offset, two children
CACHED_ROWS = 256


class AnnoyVectors:
    """Vectors of one kind, one a row of the id table.

    vectors: (i, d). directions: (d + 1, r), the main directions of the lifted rows. short: (i, r), the lifted rows along
    them. length: how long lifted rows are.
    """

    def __init__(
        self,
        annoy: AnnoyIndex,
        vectors: Scores,
        directions: Scores,
        short: Scores,
        length: float,
        settings: IndexSettings,
    ) -> None:
        self.annoy, self.vectors, self.directions, self.short = annoy, vectors, directions, short
        self.length, self.settings = length, settings
        self.short_squared: Scores = np.einsum("ir,ir->i", short, short)

    @classmethod
    def open(cls, folder: Path, name: str) -> "AnnoyVectors":
        """Map the files of one segment of an index folder into memory.

        Raises SegmentError when the folder has no such segment, or its sizes are not what index.json says.
        """
        described = folder / "index.json"
        if not described.is_file():
            raise IndexFileError(f"{described} is missing. Run the stage index again.")
        index = json.loads(described.read_text())
        if index["format"] != FORMAT:
            raise IndexFileError(
                f"{described} has format {index['format']}, not {FORMAT}. Run the stage index again."
            )
        if name not in index["segments"]:
            raise IndexFileError(f"{described} has no segment {name}. It has {', '.join(index['segments'])}.")
        entry, trees = index["segments"][name], folder / f"{name}.ann"
        vectors = _map(folder / f"{name}.npy", (entry["rows"], entry["dims"]))
        directions = np.array(
            _map(folder / f"{name}_directions.npy", (entry["dims"] + 1, entry["directions"]))
        )
        short = _map_nodes(trees, entry)
        annoy = AnnoyIndex(entry["directions"], "euclidean")
        annoy.load(str(trees))
        return cls(annoy, vectors, directions, short, entry["length"], IndexSettings(**index["settings"]))

    def __len__(self) -> int:
        return len(self.vectors)

    def search(
        self, vector: NDArray[Any], k: int, allowed: Mask | None = None, nodes: int | None = None
    ) -> tuple[Rows, Scores]:
        """The k allowed rows of largest inner product with a vector, best first.

        allowed: (rows,), or None for all. nodes: that the trees inspect at least, where it is not what the settings say.
        Fewer than k come back only where fewer are allowed.
        """
        wanted = np.asarray(vector, dtype=np.float32)
        n_allowed = len(self) if allowed is None else int(np.count_nonzero(allowed))
        k = min(k, n_allowed)
        if k <= 0:
            return np.empty(0, np.int64), np.empty(0, np.float32)
        if n_allowed <= self.settings.exact_rows:
            return self.exact(wanted, k, allowed)
        share = n_allowed / len(self)
        if allowed is not None and share <= self.settings.scan_share:
            return self.scan(wanted, k, allowed)
        rows, scores = self.approximate(wanted, k, allowed, share, nodes)
        return (rows, scores) if len(rows) == k else self.exact(wanted, k, allowed)

    def exact(self, vector: Scores, k: int, allowed: Mask | None = None) -> tuple[Rows, Scores]:
        """Score every allowed row."""
        if allowed is None:
            return best(np.arange(len(self)), self.vectors @ vector, k)
        rows = np.flatnonzero(allowed)
        return best(rows, self.scores(rows, vector), k)

    def aim(self, vector: Scores) -> Scores:
        """Where a query vector (d,) stands among the lifted rows, along their main directions (r,)."""
        length = max(float(np.linalg.norm(vector)), 1e-9)
        return np.dot(vector * np.float32(self.length / length), self.directions[:-1]).astype(np.float32)

    def scan(self, vector: Scores, k: int, allowed: Mask) -> tuple[Rows, Scores]:
        """Score every allowed row by few dimensions, and exactly those that come out best."""
        rows = np.flatnonzero(allowed)
        near: Scores = 2 * np.dot(self.short[rows], self.aim(vector)) - self.short_squared[rows]
        rows, _ = best(rows, near, max(2 * k, self.settings.candidates))
        return best(rows, self.scores(rows, vector), k)

    def approximate(
        self,
        vector: Scores,
        k: int,
        allowed: Mask | None = None,
        share: float = 1.0,
        nodes: int | None = None,
    ) -> tuple[Rows, Scores]:
        """Ask the trees for more candidates the fewer rows are allowed, and score exactly those that are.

        share: of the rows that are allowed. May find fewer than k.
        """
        n_candidates = min(len(self), ceil(max(2 * k, self.settings.candidates) / share))
        n_nodes = max(ceil((nodes or self.settings.search_k) / share), n_candidates)
        rows = np.array(self.annoy.get_nns_by_vector(self.aim(vector), n_candidates, n_nodes), dtype=np.int64)
        if allowed is not None:
            rows = rows[allowed[rows]]
        return best(rows, self.scores(rows, vector), k)

    def scores(self, rows: Rows, vector: Scores) -> Scores:
        """Inner products of some rows, (rows,), gathered in parts that fit a core's cache."""
        scores = np.empty(len(rows), np.float32)
        held = np.empty((min(len(rows), CACHED_ROWS), self.vectors.shape[1]), self.vectors.dtype)
        for start in range(0, len(rows), CACHED_ROWS):
            part = rows[start : start + CACHED_ROWS]
            gathered = np.take(self.vectors, part, axis=0, out=held[: len(part)], mode="clip")
            np.dot(gathered, vector, out=scores[start : start + CACHED_ROWS])
        return scores


def best(rows: Rows, scores: Scores, k: int) -> tuple[Rows, Scores]:
    """The k rows of largest score, best first; of equal ones the smaller row."""
    if k < len(rows):
        near = np.argpartition(-scores, k - 1)[:k]
        rows, scores = rows[near], scores[near]
    order = np.lexsort((rows, -scores))[:k]
    return rows[order], scores[order]


def _map(file: Path, shape: tuple[int, int]) -> Scores:
    """An array of a file, without a copy."""
    try:
        array = np.load(file, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        raise IndexFileError(f"{file} is missing or not whole. Run the stage index again.") from None
    if array.shape != shape:
        raise IndexFileError(f"{file} holds {array.shape}, not {shape}. Run the stage index again.")
    return np.asarray(array)


def _map_nodes(file: Path, entry: dict[str, Any]) -> Scores:
    """The vectors (rows, r) inside an Annoy file; one that was cut would crash the process that maps it."""
    if not file.is_file() or file.stat().st_size != entry["bytes"]:
        raise IndexFileError(f"{file} is missing or not whole. Run the stage index again.")
    words = HEADER + entry["directions"]
    nodes = np.memmap(file, dtype=np.float32, mode="r")[: entry["rows"] * words].reshape(-1, words)
    return np.asarray(nodes[:, HEADER:])
