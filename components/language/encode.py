"""The text vector of every item, in the items' order; texts that the same model has met before are not encoded again."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from components.catalogue.tables import read_items
from components.language.blocks import encode_blocks
from components.language.encoder import Encoder
from components.language.settings import LanguageSettings
from components.language.store import VectorStore
from components.language.text import item_texts
from components.language.work import fingerprint, workplace
from components.stage import Counts, Input, Output, digest, stage

COPIED = 10_000


def fill(store: VectorStore, encoder: Encoder, texts: Sequence[str], block: int) -> int:
    """Encode what the store lacks, each block stored before the next begins; returns how many texts that were."""
    missing = [text for text in dict.fromkeys(texts) if text not in store]
    with tqdm(total=len(missing), unit="text", disable=None) as progress:
        for rows, vectors in encode_blocks(encoder.model, missing, block):
            store.add([missing[row] for row in rows], vectors)
            progress.update(len(rows))
    return len(missing)


def write(store: VectorStore, texts: Sequence[str], dimensions: int, item_vectors: Path) -> None:
    """Write the vectors (n, d) of the texts as a memory-mapped array."""
    with item_vectors.open("wb") as stream:
        np.lib.format.write_array_header_1_0(
            stream, {"descr": "<f4", "fortran_order": False, "shape": (len(texts), dimensions)}
        )
        for start in range(0, len(texts), COPIED):
            stream.write(store.get(texts[start : start + COPIED]).tobytes())


@stage(LanguageSettings)
def main(catalogue: Input, model: Input, item_vectors: Output, settings: LanguageSettings) -> Counts:
    """Write (items, dimensions) float32 unit rows."""
    texts, encoder = item_texts(read_items(catalogue)), Encoder.load(model)
    key = fingerprint(f"block {settings.encode_batch_size}", [digest([model])])
    store = VectorStore(workplace(item_vectors, "encoded", key) / "vectors", encoder.dimensions)
    encoded = fill(store, encoder, texts, settings.encode_batch_size)
    write(store, texts, encoder.dimensions, item_vectors)
    if len(store.rows) > 2 * len(set(texts)):
        store.keep(texts)
    return {"items": len(texts), "dimensions": encoder.dimensions, "encoded": encoded}


if __name__ == "__main__":
    main.cli()
