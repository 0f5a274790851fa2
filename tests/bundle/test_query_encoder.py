"""What people type is encoded once, by however many at a time."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from components.bundle.query_cache import CachedEncoder
from components.query_model.onnx_encoder import OnnxEncoder


def test_many_threads_get_the_vectors_that_one_gets(query_model_folder: Path) -> None:
    encoder, plain = CachedEncoder.load(query_model_folder), OnnxEncoder.load(query_model_folder)
    texts = [f"summer shoes in size {size} " + "or more " * (size % 7) for size in range(24)]
    expected = plain.encode(texts, batch_size=1)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda text: encoder.encode([text, "shoes"]), [*texts, *texts]))
    likeness = ([rows[0] for rows in found] * np.concatenate([expected, expected])).sum(axis=1)
    assert likeness.min() > 0.998
    assert all((rows[1] == found[0][1]).all() for rows in found)


def test_no_texts_are_no_rows(query_model_folder: Path) -> None:
    assert CachedEncoder.load(query_model_folder).encode([]).shape == (0, 384)
