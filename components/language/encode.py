"""The text vector of every item, in the items' order."""

import numpy as np

from components.catalogue.tables import read_items
from components.language.encoder import Encoder
from components.language.settings import LanguageSettings
from components.language.text import item_texts
from components.stage import Counts, Input, Output, stage


@stage(LanguageSettings)
def main(catalogue: Input, model: Input, item_vectors: Output, settings: LanguageSettings) -> Counts:
    """Write (items, dimensions) float32 unit rows."""
    texts = item_texts(read_items(catalogue))
    vectors = Encoder.load(model).encode(texts, progress=True, batch_size=settings.encode_batch_size)
    with item_vectors.open("wb") as stream:
        np.save(stream, vectors, allow_pickle=False)
    return {"items": len(vectors), "dimensions": vectors.shape[1]}


if __name__ == "__main__":
    main.cli()
