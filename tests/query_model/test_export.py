"""The text model as queries use it gives the vectors of the model that it was made from."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.core.content_hash import hash_paths
from components.query_model import export
from components.query_model.onnx_encoder import OnnxEncoder
from components.query_model.settings import QueryModelError, QueryModelSettings
from components.text_model.encoder import TextEncoder
from tests.text_model.conftest import write_shop

QUERIES = ["wireless headphones", "WH-1000XM4", "summer dress for my niece", "red", "a coat " * 40]


@pytest.fixture(scope="module")
def query_model(query_model_folder: Path) -> OnnxEncoder:
    return OnnxEncoder.load(query_model_folder)


def test_vectors_are_nearly_those_of_the_model(query_model, small_encoder_folder):
    expected = TextEncoder.load(small_encoder_folder, exact=True).encode(QUERIES)
    found = query_model.encode(QUERIES, batch_size=1)
    assert found.shape == (5, 384) == (5, query_model.dimensions)
    assert (found * expected).sum(axis=1).min() > 0.99


def test_longer_texts_beside_a_text_hardly_move_its_vector(query_model):
    alone, beside = query_model.encode(QUERIES, batch_size=1), query_model.encode(QUERIES, batch_size=5)
    assert (alone * beside).sum(axis=1).min() > 0.99


@settings(max_examples=30, deadline=None)
@given(st.lists(st.text(max_size=300), max_size=3))
def test_any_texts_become_unit_rows(query_model, texts):
    vectors = query_model.encode(texts)
    assert vectors.shape == (len(texts), 384) and vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-4)


def test_the_same_model_gives_the_same_bytes(query_model_folder, small_encoder_folder, tmp_path):
    export.export_model(TextEncoder.load(small_encoder_folder, exact=True), tmp_path / "again")
    assert hash_paths([tmp_path / "again"]) == hash_paths([query_model_folder])


def test_the_stage_says_how_near_it_comes_to_the_model(small_encoder_folder, tmp_path):
    shop = write_shop(tmp_path, with_judgements=False)
    export.main(
        shop / "catalogue", small_encoder_folder, tmp_path / "query_model", tmp_path / "export.json",
        settings=QueryModelSettings(),
    )  # fmt: skip
    figures = json.loads((tmp_path / "export.json").read_text())
    assert 0.99 < figures["cosine_to_float32"] <= 1
    whole = (small_encoder_folder / "model.safetensors").stat().st_size / 1e6
    assert figures["megabytes"] < 0.7 * whole


def test_a_broken_query_model_is_told_by_its_folder(query_model_folder, tmp_path):
    for name in ("model.onnx", "tokenizer.json"):
        broken = tmp_path / name
        broken.mkdir()
        for file in query_model_folder.iterdir():
            (broken / file.name).write_bytes(b"" if file.name == name else file.read_bytes())
        with pytest.raises(QueryModelError, match=r"cannot be read: .* Make it again: dvc repro export"):
            OnnxEncoder.load(broken)
    with pytest.raises(QueryModelError, match="nowhere cannot be read"):
        OnnxEncoder.load(tmp_path / "nowhere")


def test_one_pass_gives_a_text_and_its_windows(query_model):
    short, long = (
        "red coat",
        "a warm red coat for my niece, who is ten and walks to school in the rain every day",
    )
    spans = query_model.encode_spans([short, long, short.upper()], window_tokens=4)
    assert [len(found) for found in spans[::2]] == [1, 1] and len(spans[1]) > 5
    np.testing.assert_allclose(
        np.stack([found[0] for found in spans]), query_model.encode([short, long, short]), atol=1e-3
    )
    np.testing.assert_array_equal(spans[0], spans[2])
    for found in spans:
        np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-4)


def test_a_window_is_nearer_to_its_own_words_than_another(query_model):
    text = "a birthday cake with strawberries and cream, and then a diesel engine with four cylinders"
    cake, engine = query_model.encode(
        ["birthday cake with strawberries", "diesel engine with four cylinders"]
    )
    (spans,) = query_model.encode_spans([text], window_tokens=6)
    assert spans[1] @ cake > spans[-1] @ cake and spans[-1] @ engine > spans[1] @ engine


def test_a_text_longer_than_the_model_reads_is_read_to_its_end(query_model):
    longest = query_model.tokenizer.truncation["max_length"]
    text = "summer dresses for my niece " * longest + "and a diesel engine"
    (spans,) = query_model.encode_spans([text], window_tokens=8)
    engine = query_model.encode(["a diesel engine"])[0]
    assert len(spans) > 5 * longest // 8
    assert (spans[-3:] @ engine).max() > (spans[:3] @ engine).max() + 0.2


def test_a_query_model_without_vectors_of_tokens_is_told(query_model_folder, tmp_path):
    import onnx

    old = tmp_path / "old"
    old.mkdir()
    for file in query_model_folder.iterdir():
        (old / file.name).write_bytes(file.read_bytes())
    graph = onnx.load(old / "model.onnx")
    del graph.graph.output[1]
    onnx.save(graph, old / "model.onnx")
    with pytest.raises(QueryModelError, match="gives no vectors of tokens"):
        OnnxEncoder.load(old)
