"""Build Annoy segments over text vectors and item factors, and measure their recall against the exact answer."""

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

ASKED = 10
BLOCK = 65_536
Vectors = NDArray[np.float32]


def lift(vectors: Vectors) -> Iterator[Vectors]:
    """Give rows (i, d) one more number that makes them equally long, (b, d + 1) a block.

    For a query with 0 there, rows of largest inner product are then the nearest ones (Bachrach et al., Speeding
    Up the Xbox Recommender System Using a Euclidean Transformation for Inner-Product Spaces, RecSys 2014).
    """
    squared = np.einsum("id,id->i", vectors, vectors, dtype=np.float64)
    missing = np.sqrt(squared.max(initial=0) - squared).astype(np.float32)
    for start in range(0, len(vectors), BLOCK):
        part = slice(start, start + BLOCK)
        yield np.hstack([vectors[part], missing[part, None]])


def main_directions(blocks: Iterable[Vectors], settings: IndexSettings) -> Vectors:
    """The fewest directions (d, r) that keep the chosen share of the squared lengths of vectors, (b, d) a block.

    Tastes spread over more of them than texts do.
    """
    squares = np.zeros((1, 1))
    for block in blocks:
        squares = squares + block.T @ block
    lengths, directions = principal_directions(squares)
    kept = np.cumsum(lengths) / max(float(lengths.sum()), 1e-12)
    enough = int(np.searchsorted(kept, settings.kept_share)) + 1
    count = min(len(squares), max(settings.directions, enough))
    return np.ascontiguousarray(directions[:, :count], dtype=np.float32)


def build(vectors: Vectors, folder: Path, name: str, settings: IndexSettings) -> dict[str, float]:
    """Write the files of a segment of vectors (i, d) and describe them; the same vectors make the same bytes.

    Euclidean trees over few dimensions inspect more rows in the same time than angular ones over all, and find more.
    Beside the vectors no more than a block is in memory.
    """
    directions = main_directions(lift(vectors), settings)
    annoy = AnnoyIndex(directions.shape[1], "euclidean")
    annoy.set_seed(settings.seed)
    short = chain.from_iterable(block @ directions for block in lift(vectors))
    for row, vector in enumerate(tqdm(short, desc=f"index {name}", unit="item", total=len(vectors))):
        annoy.add_item(row, vector)
    annoy.build(settings.trees, n_jobs=1)
    annoy.save(str(folder / f"{name}.ann"))
    np.save(folder / f"{name}.npy", vectors, allow_pickle=False)
    np.save(folder / f"{name}_directions.npy", directions, allow_pickle=False)
    return {
        "rows": vectors.shape[0],
        "dims": vectors.shape[1],
        "directions": directions.shape[1],
        "length": float(np.linalg.norm(next(lift(vectors))[0])),
        "bytes": (folder / f"{name}.ann").stat().st_size,
    }


def write_index(segments: Mapping[str, Vectors], folder: Path, settings: IndexSettings) -> None:
    """Write a folder with the files of each segment, whose rows follow the same items, and index.json."""
    if not all(len(vectors) for vectors in segments.values()):
        raise IndexFileError("There are no items to index. Put rows into items and run catalogue again.")
    folder.mkdir(parents=True, exist_ok=True)
    described = {
        "format": FORMAT,
        "settings": settings.model_dump(),
        "segments": {name: build(vectors, folder, name, settings) for name, vectors in segments.items()},
    }
    (folder / "index.json").write_text(json.dumps(described, indent=2) + "\n")


def recall_10(segment: AnnoyVectors, settings: IndexSettings) -> float:
    """Share of the exact ten nearest that the trees find, over mixes of two sampled vectors."""
    pairs = np.random.default_rng(settings.seed).integers(0, len(segment), (settings.recall_queries, 2))
    found = total = 0
    for first, second in pairs:
        query = segment.vectors[first] + segment.vectors[second]
        truth, _ = segment.exact(query, min(ASKED, len(segment)))
        near, _ = segment.approximate(query, len(truth))
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
        f"{name}_recall_10": recall_10(AnnoyVectors.open(index, name), settings) for name in segments
    }
    metrics.write_text(json.dumps(report, indent=2) + "\n")
    return {"items": len(item_ids)} | report


if __name__ == "__main__":
    main.cli()
