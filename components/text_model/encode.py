"""The text vector of every item, in the items' order; texts that the same model has encoded before are read back."""

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
from components.text_model.batching import encode_batch, encode_batches, plan_batches
from components.text_model.encoder import TextEncoder, Vectors, open_model
from components.text_model.settings import TextModelSettings

WRITE_BATCH_SIZE = 10_000  # texts whose vectors are copied at once
Batches = Iterable[tuple[NDArray[np.int64], Vectors]]


def encode_anywhere(
    model: Any, folder: Path, texts: Sequence[str], batch_size: int, compute: ComputeSettings
) -> Batches:
    """Encode as `encode_batches` does, here or on a cluster whose machines all have the model's folder."""
    if not compute.on_cluster:
        return encode_batches(model, texts, batch_size)

    def batch_arguments() -> Iterator[tuple[Any, ...]]:
        for rows, length in plan_batches(model, texts, batch_size):
            yield str(folder.resolve()), rows, list(map(texts.__getitem__, rows)), length, batch_size

    return map_on_cluster(_encode_remotely, batch_arguments(), compute)


def _encode_remotely(
    folder: str, rows: NDArray[np.int64], texts: list[str], length: int, batch_size: int
) -> tuple[NDArray[np.int64], Vectors]:
    return rows, encode_batch(_cached_model(folder), texts, length, batch_size)


# A process of the cluster encodes many batches: it opens the model once
@lru_cache(maxsize=1)
def _cached_model(folder: str) -> Any:
    return open_model(folder)


def store_missing(store: VectorCache, missing: Sequence[str], batches: Batches) -> None:
    """Store the vectors of texts batch by batch, so that a killed run loses one batch at most."""
    with tqdm(total=len(missing), unit="text", disable=None) as progress:
        for rows, vectors in batches:
            store.add(list(map(missing.__getitem__, rows)), vectors)
            progress.update(len(rows))


def write_vectors(store: VectorCache, texts: Sequence[str], dimensions: int, item_vectors: Path) -> None:
    """Write the vectors (n, d) of the texts as a .npy file."""
    with item_vectors.open("wb") as stream:
        # The header by hand and the rows in parts: `np.save` would hold all of them in memory
        np.lib.format.write_array_header_1_0(
            stream, {"descr": "<f4", "fortran_order": False, "shape": (len(texts), dimensions)}
        )
        for start in range(0, len(texts), WRITE_BATCH_SIZE):
            stream.write(store.get(texts[start : start + WRITE_BATCH_SIZE]).tobytes())


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
    batch_size = settings.encode_batch_size
    # All that the bits of a vector depend on; the batch size is part of the shape that is encoded
    code = hash_imports("components.text_model.batching")
    key = cache_key(batch_size, hash_paths([model]), code, torch_runtime())
    store = VectorCache(cache_folder(item_vectors, "encoded", key) / "vectors", encoder.dimensions)
    missing = [text for text in dict.fromkeys(texts) if text not in store]
    if missing:
        store_missing(store, missing, encode_anywhere(encoder.model, model, missing, batch_size, compute))
    write_vectors(store, texts, encoder.dimensions, item_vectors)
    # Texts of former items are dropped once they are more than half, not each time: dropping copies the file
    if len(store.rows) > 2 * len(set(texts)):
        store.keep_only(texts)
    return {"items": len(texts), "dimensions": encoder.dimensions, "encoded": len(missing)}


if __name__ == "__main__":
    main.cli()
