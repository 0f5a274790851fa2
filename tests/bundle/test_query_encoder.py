"""What people type is encoded once, by however many at a time."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from components.bundle.query_encoder import QueryEncoder
from components.language.encoder import Encoder


def test_many_threads_get_the_vectors_that_one_gets(small_encoder_folder: Path) -> None:
    plain = Encoder.load(small_encoder_folder)
    encoder = QueryEncoder(plain.model)
    texts = [f"summer shoes in size {size} " + "or more " * (size % 7) for size in range(24)]
    expected = plain.encode(texts)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda text: encoder.encode([text, "shoes"]), [*texts, *texts]))
    np.testing.assert_allclose([rows[0] for rows in found], [*expected, *expected], atol=1e-5)
    assert all((rows[1] == found[0][1]).all() for rows in found)


def test_no_texts_are_no_rows(small_encoder_folder: Path) -> None:
    assert QueryEncoder.load(small_encoder_folder).encode([]).shape == (0, 384)
