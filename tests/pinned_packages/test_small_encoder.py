"""The small encoder that tests share loads and encodes."""

from pathlib import Path

import pytest


@pytest.mark.slow
def test_the_small_encoder_puts_like_texts_near_each_other(small_encoder_folder: Path) -> None:
    from sentence_transformers import SentenceTransformer

    encoder = SentenceTransformer(str(small_encoder_folder), device="cpu")
    dress, skirt, film = encoder.encode(
        ["a summer dress", "a light skirt", "a war film"], normalize_embeddings=True
    )
    assert dress.shape == (384,)
    assert dress @ skirt > dress @ film
