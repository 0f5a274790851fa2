"""The text vector of every item, in the items' order; texts that the same model has met before are not encoded again."""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from components.catalogue.tables import read_items
from components.core.cluster import map_on_cluster
from components.core.compute import LAPTOP, ComputeSettings
from components.core.content_cache import cache_folder, cache_key, torch_runtime
from components.core.content_hash import hash_imports, hash_paths
from components.core.stage import Counts, Input, Output, stage
from components.core.vector_cache import VectorCache
from components.search.item_text import item_texts
from components.text_model.batching import encode_block, encode_blocks, plan_blocks
from components.text_model.encoder import TextEncoder, Vectors, open_model
from components.text_model.settings import TextModelSettings

COPIED = 10_000
Blocks = Iterable[tuple[NDArray[np.int64], Vectors]]


def encode_anywhere(
    model: Any, folder: Path, texts: Sequence[str], block: int, compute: ComputeSettings
) -> Blocks:
    """What `encode_blocks` gives, from this machine or from a cluster's, which all have the model's folder."""
    if not compute.on_cluster:
        return encode_blocks(model, texts, block)

    def given() -> Iterator[tuple[Any, ...]]:
        for rows, length in plan_blocks(model, texts, block):
            yield str(folder.resolve()), rows, [texts[row] for row in rows], length, block

    return map_on_cluster(_encode_there, given(), compute)


def _encode_there(
    folder: str, rows: NDArray[np.int64], texts: list[str], length: int, block: int
) -> tuple[NDArray[np.int64], Vectors]:
    return rows, encode_block(_kept_model(folder), texts, length, block)


@lru_cache(maxsize=1)
def _kept_model(folder: str) -> Any:
    return open_model(folder)


def fill(store: VectorCache, missing: Sequence[str], blocks: Blocks) -> None:
    """Store the vectors of the texts that it lacks, each block before the next begins."""
    with tqdm(total=len(missing), unit="text", disable=None) as progress:
        for rows, vectors in blocks:
            store.add([missing[row] for row in rows], vectors)
            progress.update(len(rows))


def write(store: VectorCache, texts: Sequence[str], dimensions: int, item_vectors: Path) -> None:
    """Write the vectors (n, d) of the texts as a memory-mapped array."""
    with item_vectors.open("wb") as stream:
        np.lib.format.write_array_header_1_0(
            stream, {"descr": "<f4", "fortran_order": False, "shape": (len(texts), dimensions)}
        )
        for start in range(0, len(texts), COPIED):
            stream.write(store.get(texts[start : start + COPIED]).tobytes())


@stage(TextModelSettings)
def main(
    catalogue: Input,
    model: Input,
    item_vectors: Output,
    settings: TextModelSettings,
    compute: ComputeSettings = LAPTOP,
) -> Counts:
    """Write (items, dimensions) float32 unit rows."""
    texts, encoder = item_texts(read_items(catalogue)), TextEncoder.load(model)
    code = hash_imports("components.text_model.batching")
    key = cache_key(settings.encode_batch_size, hash_paths([model]), code, torch_runtime())
    store = VectorCache(cache_folder(item_vectors, "encoded", key) / "vectors", encoder.dimensions)
    missing = [text for text in dict.fromkeys(texts) if text not in store]
    if missing:
        fill(
            store,
            missing,
            encode_anywhere(encoder.model, model, missing, settings.encode_batch_size, compute),
        )
    write(store, texts, encoder.dimensions, item_vectors)
    if len(store.rows) > 2 * len(set(texts)):
        store.keep(texts)
    return {"items": len(texts), "dimensions": encoder.dimensions, "encoded": len(missing)}


if __name__ == "__main__":
    main.cli()
