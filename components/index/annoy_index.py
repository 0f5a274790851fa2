"""Memory-mapped vectors with Annoy trees over their main directions, searched under any filter.

The trees, or a scan where few rows are allowed, find candidates by a few dimensions. The candidates are then scored
exactly by all dimensions. All processes share the mapped pages of the files. An Annoy file begins with one node for
each item, and the node ends with the vector of the item, so the scan reads the same pages as the trees.
"""

import json
from dataclasses import dataclass, field
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
FORMAT = 3  # raise it when the files change, so that an older index is refused and not misread
# Words of four bytes before the vector of a Euclidean node: descendants, offset, two children
HEADER_WORDS = 4
BLOCK_ROWS = 256  # of 512 float32 numbers are half a megabyte, which fits a core's cache


@dataclass(eq=False, repr=False)
class AnnoyVectors:
    """The vectors of one segment; row numbers follow the id table.

    vectors: (i, d). directions: (d + 1, r), the main directions of the lifted rows. short: (i, r), the lifted rows along
    these directions. length: the length of every lifted row.
    """

    annoy: AnnoyIndex
    vectors: Scores
    directions: Scores
    short: Scores
    length: float
    settings: IndexSettings
    short_squared: Scores = field(init=False)

    def __post_init__(self) -> None:
        self.short_squared = np.einsum("ir,ir->i", self.short, self.short)

    @classmethod
    def open_segment(cls, folder: Path, name: str) -> "AnnoyVectors":
        """Map the files of one segment of an index folder into memory.

        Raises IndexFileError if the folder has no such segment, or if a file has another size than index.json says.
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
        vectors = _map_array(folder / f"{name}.npy", (entry["rows"], entry["dims"]))
        directions = _map_array(folder / f"{name}_directions.npy", (entry["dims"] + 1, entry["directions"]))
        short = _map_nodes(trees, entry)  # first, as it refuses a file that was cut short
        annoy = AnnoyIndex(entry["directions"], "euclidean")
        annoy.load(str(trees))
        return cls(
            annoy,
            vectors,
            directions=np.array(directions),  # copied: small, and every query multiplies by it
            short=short,
            length=entry["length"],
            settings=IndexSettings(**index["settings"]),
        )

    def __len__(self) -> int:
        return len(self.vectors)

    def search(
        self, vector: NDArray[Any], k: int, allowed: Mask | None = None, nodes: int | None = None
    ) -> tuple[Rows, Scores]:
        """Return the k allowed rows with the largest inner product with a vector (d,), best first, and the products.

        allowed: (i,), or None for all rows. nodes: the least number of nodes that the trees inspect; by default
        `search_k` of the settings. Returns fewer than k rows only if fewer are allowed.
        """
        wanted = np.asarray(vector, dtype=np.float32)
        n_allowed = len(self) if allowed is None else int(np.count_nonzero(allowed))
        k = min(k, n_allowed)
        if k <= 0:
            return np.empty(0, np.int64), np.empty(0, np.float32)
        if n_allowed <= self.settings.exact_rows:
            return self.search_exact(wanted, k, allowed)
        share = n_allowed / len(self)
        if allowed is not None and share <= self.settings.scan_share:
            return self.scan_rows(wanted, k, allowed)
        rows, scores = self.search_trees(wanted, k, allowed=allowed, share=share, nodes=nodes)
        # The nearest nodes of the trees may hold too few allowed rows, and a filter must not hide what exists
        return (rows, scores) if len(rows) == k else self.search_exact(wanted, k, allowed)

    def search_exact(self, vector: Scores, k: int, allowed: Mask | None = None) -> tuple[Rows, Scores]:
        """Return the k best allowed rows after scoring each of them by all dimensions."""
        if allowed is None:
            return top_rows(np.arange(len(self)), self.vectors @ vector, k)
        rows = np.flatnonzero(allowed)
        return top_rows(rows, self.scores(rows, vector), k)

    def project_query(self, vector: Scores) -> Scores:
        """Project a query vector (d,) on the main directions of the lifted rows, (r,)."""
        # Any length keeps the order of the rows; this one puts the query on the sphere that the trees divide
        length = max(float(np.linalg.norm(vector)), 1e-9)  # a vector of zeros has no direction
        return np.dot(vector * np.float32(self.length / length), self.directions[:-1]).astype(np.float32)

    def scan_rows(self, vector: Scores, k: int, allowed: Mask) -> tuple[Rows, Scores]:
        """Score every allowed row by its main directions, then the best of them exactly; return the k best."""
        rows = np.flatnonzero(allowed)
        # The negative squared distance, without the square of the query, which is the same for all rows
        near: Scores = 2 * np.dot(self.short[rows], self.project_query(vector)) - self.short_squared[rows]
        rows, _ = top_rows(rows, near, max(2 * k, self.settings.candidates))
        return top_rows(rows, self.scores(rows, vector), k)

    def search_trees(
        self,
        vector: Scores,
        k: int,
        allowed: Mask | None = None,
        share: float = 1.0,
        nodes: int | None = None,
    ) -> tuple[Rows, Scores]:
        """Return up to k allowed rows among the candidates of the trees, scored exactly.

        share: the share of the rows that are allowed. The trees know no filter, so they return more candidates where
        fewer rows are allowed. The result may still hold fewer than k rows.
        """
        n_candidates = min(len(self), ceil(max(2 * k, self.settings.candidates) / share))
        n_nodes = max(ceil((nodes or self.settings.search_k) / share), n_candidates)
        found = self.annoy.get_nns_by_vector(self.project_query(vector), n_candidates, n_nodes)
        rows = np.array(found, dtype=np.int64)
        if allowed is not None:
            rows = rows[allowed[rows]]
        return top_rows(rows, self.scores(rows, vector), k)

    def scores(self, rows: Rows, vector: Scores) -> Scores:
        """Return the inner products (rows,) of some rows with a vector (d,)."""
        scores = np.empty(len(rows), np.float32)
        buffer = np.empty((min(len(rows), BLOCK_ROWS), self.vectors.shape[1]), self.vectors.dtype)
        for start in range(0, len(rows), BLOCK_ROWS):
            part = rows[start : start + BLOCK_ROWS]
            # NumPy buffers `out` in its default mode, "raise"
            gathered = np.take(self.vectors, part, axis=0, out=buffer[: len(part)], mode="clip")
            np.dot(gathered, vector, out=scores[start : start + BLOCK_ROWS])
        return scores


def top_rows(rows: Rows, scores: Scores, k: int) -> tuple[Rows, Scores]:
    """Return the k rows with the largest scores, best first, and the scores; ties go to the smaller row."""
    if k < len(rows):
        near = np.argpartition(-scores, k - 1)[:k]
        rows, scores = rows[near], scores[near]
    order = np.lexsort((rows, -scores))[:k]
    return rows[order], scores[order]


def _map_array(file: Path, shape: tuple[int, int]) -> Scores:
    """Map the array of a file into memory; raise IndexFileError if its shape is another."""
    try:
        array = np.load(file, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        raise IndexFileError(f"{file} is missing or not whole. Run the stage index again.") from None
    if array.shape != shape:
        raise IndexFileError(f"{file} has the shape {array.shape}, not {shape}. Run the stage index again.")
    return np.asarray(array)


def _map_nodes(file: Path, entry: dict[str, Any]) -> Scores:
    """Map the vectors (i, r) inside an Annoy file."""
    # A file that was cut short would crash the process at the first page that is missing
    if not file.is_file() or file.stat().st_size != entry["bytes"]:
        raise IndexFileError(f"{file} is missing or not whole. Run the stage index again.")
    words = HEADER_WORDS + entry["directions"]
    nodes = np.memmap(file, dtype=np.float32, mode="r")[: entry["rows"] * words].reshape(-1, words)
    return np.asarray(nodes[:, HEADER_WORDS:])
