"""Recall, times, size and building of the index, beside plain Annoy, usearch and an exact scan: python benchmarks/index.py

Vectors are those of Chorus' product texts by the workspace's text model and mixes of each with one of its 50 nearest;
queries are products that are not in it. The parameters were chosen on other queries: mixes of two of its vectors.
"""

import json
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import typer
from annoy import AnnoyIndex
from numpy.typing import NDArray

from components.index.annoy_index import AnnoyVectors
from components.index.build_index import write_index
from components.index.live_index import LiveIndex
from components.index.settings import IndexSettings
from components.text_model.encoder import TextEncoder

SHARED = Path("../shared/data/chorus/products.parquet")
CACHE = Path(".tandem/benchmarks")
SHARES = (1.0, 0.5, 0.1, 0.01, 0.001)
ASKED, NEIGHBOURS = 10, 50
Vectors = NDArray[np.float32]
Search = Callable[[Vectors, NDArray[np.bool_] | None], NDArray[np.int64]]


def product_vectors(model: Path, products: Path) -> Vectors:
    """Unit vectors of the products' texts, encoded once."""
    file = CACHE / "chorus_vectors.npy"
    if not file.is_file():
        table = pd.read_parquet(products)
        texts = (table["title"].fillna("") + ". " + table["short_description"].fillna("")).tolist()
        CACHE.mkdir(parents=True, exist_ok=True)
        np.save(file, TextEncoder.load(model).encode(texts, progress=True))
    found: Vectors = np.load(file)
    return found


def catalogue(products: Vectors, rows: int, queries: int, seed: int) -> tuple[Vectors, Vectors]:
    """So many vectors, and queries that are none of them."""
    draw = np.random.default_rng(seed)
    order = draw.permutation(len(products))
    held, base = products[order[:queries]], products[order[queries:]]
    near = np.concatenate(
        [
            np.argpartition(-(base[start : start + 1000] @ base.T), NEIGHBOURS)[:, :NEIGHBOURS]
            for start in range(0, len(base), 1000)
        ]
    )
    first = draw.integers(0, len(base), max(0, rows - len(base)))
    second, part = near[first, draw.integers(0, NEIGHBOURS, len(first))], draw.random((len(first), 1))
    mixed = part * base[first] + (1 - part) * base[second]
    vectors = np.vstack([base[:rows], mixed / np.linalg.norm(mixed, axis=1, keepdims=True)])
    return vectors.astype(np.float32), held


def measure(
    name: str, search: Search, vectors: Vectors, queries: Vectors, share: float, seed: int
) -> dict[str, Any]:
    """Recall@10 against the exact answer, and CPU milliseconds of one thread."""
    allowed = None if share == 1 else np.random.default_rng(seed).random(len(vectors)) < share
    found, times = 0, []
    for query in queries:
        scores = vectors @ query
        if allowed is not None:
            scores[~allowed] = -np.inf
        truth = np.argpartition(-scores, ASKED)[:ASKED]
        started = time.thread_time()
        rows = search(query, allowed)
        times.append((time.thread_time() - started) * 1000)
        found += len(np.intersect1d(rows[:ASKED], truth))
    return {
        "index": name,
        "share": share,
        "recall_10": round(found / (ASKED * len(queries)), 4),
        "p50_ms": round(float(np.median(times)), 2),
        "p99_ms": round(float(np.percentile(times, 99)), 2),
    }


def ours(vectors: Vectors, folder: Path) -> tuple[AnnoyVectors, dict[str, Any]]:
    """Build and open the index as the stage does."""
    started = time.process_time()
    write_index({"text": vectors}, folder, IndexSettings())
    built, opened = time.process_time() - started, time.perf_counter()
    segment = AnnoyVectors.open_segment(folder, "text")
    loaded = time.perf_counter() - opened
    trees = sum((folder / f"text{end}").stat().st_size for end in (".ann", "_directions.npy"))
    return segment, {
        "build_cpu_s": round(built, 1),
        "load_ms": round(loaded * 1000, 1),
        "trees_mb": round(trees / 1e6, 1),
        "vectors_mb": round(vectors.nbytes / 1e6, 1),
    }


def plain_annoy(vectors: Vectors, folder: Path) -> tuple[Search, dict[str, Any]]:
    """50 angular trees over all dimensions, 20,000 nodes, rows that are not allowed dropped afterwards."""
    started = time.process_time()
    index = AnnoyIndex(vectors.shape[1], "angular")
    index.set_seed(42)
    for row, vector in enumerate(vectors):
        index.add_item(row, vector)
    index.build(50, n_jobs=1)
    index.save(str(folder / "plain.ann"))
    told = {
        "build_cpu_s": round(time.process_time() - started, 1),
        "size_mb": round((folder / "plain.ann").stat().st_size / 1e6, 1),
    }

    def search(query: Vectors, allowed: NDArray[np.bool_] | None) -> NDArray[np.int64]:
        rows = np.array(index.get_nns_by_vector(query, 10 * ASKED, 20_000), np.int64)
        return rows if allowed is None else rows[allowed[rows]]

    return search, told


def usearch(vectors: Vectors) -> tuple[Search, dict[str, Any]]:
    """HNSW by usearch with its defaults."""
    from usearch.index import Index

    started = time.process_time()
    index = Index(ndim=vectors.shape[1], metric="ip", dtype="f32")
    index.add(np.arange(len(vectors)), vectors, threads=1)
    told = {
        "build_cpu_s": round(time.process_time() - started, 1),
        "size_mb": round(index.memory_usage / 1e6, 1),
    }

    def search(query: Vectors, allowed: NDArray[np.bool_] | None) -> NDArray[np.int64]:
        rows = np.asarray(index.search(query, 10 * ASKED).keys, np.int64)
        return rows if allowed is None else rows[allowed[rows]]

    return search, told


def changed(segment: AnnoyVectors, vectors: Vectors, seed: int) -> tuple[LiveIndex, Vectors, float]:
    """A tenth of the rows put anew, what they are then, and microseconds a put."""
    draw = np.random.default_rng(seed)
    live, now = LiveIndex(segment), vectors.copy()
    rows = draw.permutation(len(vectors))[: len(vectors) // 10]
    moved = vectors[rows] + 0.05 * draw.normal(size=(len(rows), vectors.shape[1])).astype(np.float32)
    now[rows] = moved / np.linalg.norm(moved, axis=1, keepdims=True)
    started = time.perf_counter()
    for row in rows.tolist():
        live.put_vector(row, now[row])
    return live, now, (time.perf_counter() - started) / len(rows) * 1e6


def lines(vectors: Vectors, queries: Vectors, peers: bool, seed: int) -> Iterator[dict[str, Any]]:
    """One line a measurement."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        segment, told = ours(vectors, folder)
        searches: dict[str, tuple[Search, dict[str, Any]]] = {
            "tandem": (lambda query, allowed: segment.search(query, ASKED, allowed)[0], told),
            "exact": (lambda query, allowed: segment.search_exact(query, ASKED, allowed)[0], {}),
        }
        if peers:
            searches["annoy, 50 trees, 20,000 nodes"] = plain_annoy(vectors, folder)
            searches["usearch"] = usearch(vectors)
        for share in SHARES:
            for index, (search, more) in searches.items():
                yield measure(index, search, vectors, queries, share, seed) | (more if share == 1 else {})
        live, now, microseconds = changed(segment, vectors, seed)
        for share in SHARES:
            line = measure(
                "tandem, 10 % put",
                lambda query, allowed: live.search(query, ASKED, allowed)[0],
                now,
                queries,
                share,
                seed,
            )
            yield line | ({"put_us": round(microseconds, 1)} if share == 1 else {})


def main(
    rows: Annotated[int, typer.Option(help="Vectors in the index")] = 100_000,
    queries: Annotated[int, typer.Option(help="Products that are asked for")] = 500,
    model: Annotated[Path, typer.Option(help="The text model")] = Path("data/text_model/model"),
    products: Annotated[Path, typer.Option(help="Chorus' products")] = SHARED,
    peers: Annotated[bool, typer.Option(help="Build plain Annoy and usearch too")] = True,
    quick: Annotated[bool, typer.Option(help="10,000 vectors and 100 queries")] = False,
    seed: Annotated[int, typer.Option(help="Of mixes, filters and changes")] = 42,
    json_file: Annotated[Path | None, typer.Option("--json", help="Where the result is written")] = None,
) -> None:
    """Print a line a measurement, and write JSON."""
    rows, queries = (10_000, 100) if quick else (rows, queries)
    vectors, asked = catalogue(product_vectors(model, products), rows, queries, seed)
    found = []
    for line in lines(vectors, asked, peers, seed):
        print(json.dumps(line), flush=True)
        found.append(line)
    result = {
        "rows": len(vectors),
        "dims": vectors.shape[1],
        "queries": len(asked),
        "seed": seed,
        "settings": IndexSettings().model_dump(),
        "versions": {name: version(name) for name in ("annoy", "numpy", *(["usearch"] if peers else []))},
        "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000),
        "lines": found,
    }
    if json_file is not None:
        json_file.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    typer.run(main)
