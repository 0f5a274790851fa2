"""Texts to unit vectors."""

import shutil

import numpy as np
import pytest

from components.text_model.encoder import TextEncoder, open_model
from components.text_model.settings import TextModelError


@pytest.fixture(scope="module")
def encoder(small_encoder_folder) -> TextEncoder:
    return TextEncoder.load(small_encoder_folder)


def test_rows_are_unit_vectors_in_the_order_of_the_texts(encoder):
    texts = ["a red coat", "sandals for the beach, light and airy on hot days", "", "a red coat", "ΑΒΓ 漢字"]
    vectors = encoder.encode(texts, batch_size=2)
    assert vectors.shape == (5, encoder.dimensions) and vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(vectors[0], vectors[3], atol=1e-5)
    np.testing.assert_allclose(vectors[1], encoder.encode(texts[1:2])[0], atol=1e-5)


def test_what_means_the_same_is_near(encoder):
    coat, jacket, film = encoder.encode(
        ["a warm winter coat", "a thick jacket for cold days", "a comedy film"]
    )
    assert coat @ jacket > coat @ film + 0.2


def test_no_texts_give_no_rows(encoder):
    assert encoder.encode([]).shape == (0, encoder.dimensions)


def test_a_name_that_is_no_folder_is_refused_by_name(tmp_path):
    with pytest.raises(
        TextModelError, match=r"The text model .*nowhere cannot be read.*conf/text_model\.yaml"
    ):
        TextEncoder.load(tmp_path / "nowhere")


@pytest.mark.parametrize("damage", ["empty folder", "truncated weights", "no weights", "broken modules"])
def test_a_folder_that_cannot_be_read_is_refused_by_name(damage, small_encoder_folder, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(small_encoder_folder, folder)
    if damage == "empty folder":
        shutil.rmtree(folder)
        folder.mkdir()
    elif damage == "truncated weights":
        (folder / "model.safetensors").write_bytes(b"short")
    elif damage == "no weights":
        (folder / "model.safetensors").unlink()
    else:
        (folder / "modules.json").write_text("{")
    with pytest.raises(TextModelError, match=f"The text model {folder} cannot be read"):
        open_model(str(folder))
