"""The text vector of every item, in the items' order; texts that the same model has encoded before are read back.

The vector is the mean of that of the item's text and of those of the wishes that a language model wrote for it: what an
item is, and what people say who look for it (document expansion; doc2query, Nogueira et al., 2019, on vectors).
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tqdm import tqdm

from components.core.cluster import map_on_cluster
from components.core.compute import LAPTOP, ComputeSettings
from components.core.content_cache import cache_folder, cache_key, torch_runtime
from components.core.content_hash import hash_imports, hash_paths
from components.core.linear_algebra import unit_rows
from components.core.stage import Counts, Input, Output, stage
from components.core.vector_cache import VectorCache
from components.enrichment.enriched_items import read_enriched_items
from components.search.item_text import item_texts, read_description
from components.text_model.batching import encode_batch, encode_batches, plan_batches
from components.text_model.encoder import TextEncoder, Vectors
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
    return TextEncoder.load(Path(folder)).model


def store_missing(store: VectorCache, missing: Sequence[str], batches: Batches) -> None:
    """Store the vectors of texts batch by batch, so that a killed run loses one batch at most."""
    with tqdm(total=len(missing), unit="text", disable=None) as progress:
        for rows, vectors in batches:
            store.add(list(map(missing.__getitem__, rows)), vectors)
            progress.update(len(rows))


def item_batches(
    store: VectorCache, texts: Sequence[str], wishes: Sequence[Sequence[str]], wishes_weight: float
) -> Iterator[Vectors]:
    """Yield the vectors (n, d) of items with the given texts and wishes, in order."""
    for start in range(0, len(texts), WRITE_BATCH_SIZE):
        rows = slice(start, start + WRITE_BATCH_SIZE)
        of_wishes = store.get([*chain.from_iterable(wishes[rows])])
        ends = np.cumsum([len(own) for own in wishes[rows]])[:-1]
        yield mix_wishes(store.get(texts[rows]), np.split(of_wishes, ends), weight=wishes_weight)


def text_batches(store: VectorCache, texts: Sequence[str]) -> Iterator[Vectors]:
    """Yield the vectors (n, d) of texts, in order."""
    for start in range(0, len(texts), WRITE_BATCH_SIZE):
        yield store.get(texts[start : start + WRITE_BATCH_SIZE])


def write_vectors(file: Path, shape: tuple[int, int], batches: Iterable[Vectors]) -> None:
    """Write batches of vectors (n, d) to one .npy file."""
    with file.open("wb") as stream:
        # The header by hand and the rows in parts: `np.save` would hold all of them in memory
        header = {"descr": "<f4", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(stream, header)
        for vectors in batches:
            stream.write(vectors.tobytes())


def mix_wishes(texts: Vectors, wishes: Sequence[Vectors], weight: float) -> Vectors:
    """Return unit rows (n, d): of each text vector (n, d), and the mean of its wishes' vectors with the given weight.

    A text without wishes keeps its vector.
    """
    mixed = texts.copy()
    for row, own in enumerate(wishes):
        if len(own):
            mixed[row] = (1 - weight) * texts[row] + weight * unit_rows(own.mean(axis=0))
    return unit_rows(mixed)


def read_wishes(items: pd.DataFrame) -> list[list[str]]:
    """Return the wishes that a language model wrote for each item, without those that are held out."""
    return [read_description(item).get("wishes", []) for item in items.to_dict("records")]


@stage(TextModelSettings)
def main(
    catalogue: Input,
    descriptions: Input,
    model: Input,
    item_vectors: Output,
    wish_vectors: Output,
    settings: TextModelSettings,
    compute: ComputeSettings = LAPTOP,
) -> Counts:
    """Write the vectors of the items and of their wishes, in order: (items, d) and (wishes, d) float32 unit rows."""
    items, encoder = read_enriched_items(catalogue, descriptions), TextEncoder.load(model)
    texts = item_texts(items)
    # What is not mixed in is not encoded
    wishes = read_wishes(items) if settings.wishes_weight else [[] for _ in texts]
    every_wish = [*chain.from_iterable(wishes)]
    batch_size = settings.encode_batch_size
    # All that the bits of a vector depend on; the batch size is part of the shape that is encoded
    code = hash_imports("components.text_model.batching")
    key = cache_key(batch_size, hash_paths([model]), code, torch_runtime())
    store = VectorCache(cache_folder(item_vectors, "encoded", key) / "vectors", encoder.dimensions)
    missing = [text for text in dict.fromkeys([*texts, *every_wish]) if text not in store]
    if missing:
        store_missing(store, missing, encode_anywhere(encoder.model, model, missing, batch_size, compute))
    batches = item_batches(store, texts, wishes=wishes, wishes_weight=settings.wishes_weight)
    write_vectors(item_vectors, (len(texts), encoder.dimensions), batches)
    write_vectors(wish_vectors, (len(every_wish), encoder.dimensions), text_batches(store, every_wish))
    # Texts of former items are dropped once they are more than half, not each time: dropping copies the file
    if len(store.rows) > 2 * len({*texts, *every_wish}):
        store.keep_only([*texts, *every_wish])
    return {
        "items": len(texts),
        "wishes": len(every_wish),
        "dimensions": encoder.dimensions,
        "encoded": len(missing),
    }


if __name__ == "__main__":
    main.cli()
