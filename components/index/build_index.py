"""Build Annoy segments over text vectors and item factors, and measure their recall against an exact search."""

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path

import numpy as np
from annoy import AnnoyIndex
from numpy.typing import NDArray
from tqdm import tqdm

from components.catalogue.tables import read_items
from components.core.linear_algebra import principal_directions
from components.core.stage import Counts, Input, Output, stage
from components.index.annoy_index import FORMAT, AnnoyVectors
from components.index.settings import IndexFileError, IndexSettings
from components.recommender.factors import ItemFactors

TOP_K = 10  # of the metrics *_recall_10
BLOCK_ROWS = 65_536  # copied at once, so that building needs little more memory than the vectors
Vectors = NDArray[np.float32]


def lift_vectors(vectors: Vectors) -> Iterator[Vectors]:
    """Yield blocks (b, d + 1) of rows (i, d) with one more dimension, which makes all rows equally long.

    For a query with 0 in that dimension, the rows with the largest inner product are then the nearest ones (Bachrach
    et al., Speeding Up the Xbox Recommender System Using a Euclidean Transformation for Inner-Product Spaces, RecSys
    2014).
    """
    # Without it, by angle alone, the shorter factors of cold-start items hid those of the trained ones
    # In float64, as the difference of two nearly equal squares has few digits left in float32
    squared = np.einsum("id,id->i", vectors, vectors, dtype=np.float64)
    missing = np.sqrt(squared.max(initial=0) - squared).astype(np.float32)
    for start in range(0, len(vectors), BLOCK_ROWS):
        part = slice(start, start + BLOCK_ROWS)
        yield np.hstack([vectors[part], missing[part, None]])


def main_directions(blocks: Iterable[Vectors], settings: IndexSettings) -> Vectors:
    """Return the fewest main directions (d, r) that keep `kept_share` of the squared lengths of blocks (b, d)."""
    # A share and no fixed number: item factors spread over more directions than texts, and trees over 64 directions
    # found only .86 of their nearest rows
    squares = np.zeros((1, 1))
    for block in blocks:
        squares = squares + block.T @ block
    lengths, directions = principal_directions(squares)
    kept = np.cumsum(lengths) / max(float(lengths.sum()), 1e-12)
    enough = int(np.searchsorted(kept, settings.kept_share)) + 1
    n_directions = min(len(squares), max(settings.directions, enough))
    return np.ascontiguousarray(directions[:, :n_directions], dtype=np.float32)


def build_segment(vectors: Vectors, folder: Path, name: str, settings: IndexSettings) -> dict[str, float]:
    """Write the files of a segment of vectors (i, d) and return their description for index.json.

    The same vectors give the same bytes. Besides the vectors and the trees, one block of rows is in memory.
    """
    # Euclidean trees over few dimensions inspect more rows in the same time than angular trees over all of them, and
    # find more of the nearest (docs/service.md)
    directions = main_directions(lift_vectors(vectors), settings)
    annoy = AnnoyIndex(directions.shape[1], "euclidean")
    annoy.set_seed(settings.seed)
    short = chain.from_iterable(block @ directions for block in lift_vectors(vectors))
    for row, vector in enumerate(tqdm(short, desc=f"index {name}", unit="item", total=len(vectors))):
        annoy.add_item(row, vector)
    annoy.build(settings.trees, n_jobs=1)  # several threads append nodes in an order that differs by run
    annoy.save(str(folder / f"{name}.ann"))
    np.save(folder / f"{name}.npy", vectors, allow_pickle=False)
    np.save(folder / f"{name}_directions.npy", directions, allow_pickle=False)
    return {
        "rows": vectors.shape[0],
        "dims": vectors.shape[1],
        "directions": directions.shape[1],
        "length": float(np.linalg.norm(next(lift_vectors(vectors))[0])),
        "bytes": (folder / f"{name}.ann").stat().st_size,
    }


def write_index(segments: Mapping[str, Vectors], folder: Path, settings: IndexSettings) -> None:
    """Write the files of each segment and index.json into a folder; row numbers mean the same items in all segments."""
    if not all(len(vectors) for vectors in segments.values()):
        raise IndexFileError("There are no items to index. Put rows into items and run catalogue again.")
    folder.mkdir(parents=True, exist_ok=True)
    described = {}
    for name, vectors in segments.items():
        described[name] = build_segment(vectors, folder, name, settings)
    index = {"format": FORMAT, "settings": settings.model_dump(), "segments": described}
    # Last: a folder without index.json is one whose build did not end
    (folder / "index.json").write_text(json.dumps(index, indent=2) + "\n")


def recall_10(segment: AnnoyVectors, settings: IndexSettings) -> float:
    """Return the share of the exact ten nearest rows that the trees find, over sums of two sampled vectors."""
    # Sums, since an indexed vector alone would find itself first
    pairs = np.random.default_rng(settings.seed).integers(0, len(segment), (settings.recall_queries, 2))
    found = total = 0
    for first, second in pairs:
        query = segment.vectors[first] + segment.vectors[second]
        truth, _ = segment.search_exact(query, min(TOP_K, len(segment)))
        near, _ = segment.search_trees(query, len(truth))
        found, total = found + len(np.intersect1d(truth, near)), total + len(truth)
    return round(found / total, 6)


@stage(IndexSettings)
def main(
    catalogue: Input,
    item_vectors: Input,
    item_factors: Input,
    index: Output,
    metrics: Output,
    settings: IndexSettings,
) -> Counts:
    """Index the text vectors and the factors of all items; rows follow the catalogue's items."""
    item_ids = [str(item) for item in read_items(catalogue)["item_id"]]
    factors = ItemFactors.load(item_factors)
    segments = {"text": np.load(item_vectors).astype(np.float32), "taste": factors.matrix}
    if [str(item) for item in factors.item_ids] != item_ids or len(segments["text"]) != len(item_ids):
        raise IndexFileError(
            f"{item_vectors} and {item_factors} do not follow the catalogue's {len(item_ids)} items. "
            "Run the stages encode and cold_start again."
        )
    write_index(segments, index, settings)
    report: dict[str, float] = {
        f"{name}_recall_10": recall_10(AnnoyVectors.open_segment(index, name), settings) for name in segments
    }
    metrics.write_text(json.dumps(report, indent=2) + "\n")
    return {"items": len(item_ids)} | report


if __name__ == "__main__":
    main.cli()
