"""Encoding that can be killed, and that encodes again only what is new."""

import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.catalogue.tables import read_items, write_table
from components.core.vector_cache import VectorCache
from components.search.item_text import item_texts
from components.text_model import encode
from components.text_model.batching import encode_batches, token_lengths
from components.text_model.encoder import TextEncoder, open_model
from components.text_model.settings import TextModelSettings
from tests.descriptions import write_descriptions
from tests.text_model.conftest import garments

PROJECT = Path(__file__).parents[2]
SETTINGS = TextModelSettings(encode_batch_size=4)


@pytest.fixture(scope="module")
def model(small_encoder_folder):
    return open_model(str(small_encoder_folder))


def in_order(model, texts: list[str], block: int = 4) -> np.ndarray:
    vectors = np.zeros((len(texts), model.get_embedding_dimension()), np.float32)
    for rows, found in encode_batches(model, texts, block):
        vectors[rows] = found
    return vectors


def assert_alike(vectors: np.ndarray, others: np.ndarray) -> None:
    """Other padding gives other bits: at most those of products of 16 bits."""
    assert ((vectors * others).sum(axis=1) > 0.999).all()


def encoded(out: Path, model: Path, items=None, described=None) -> tuple[bytes, dict]:
    """Encode a catalogue into `out`; returns the file's bytes and the counts."""
    write_table("items", garments() if items is None else items, out / "catalogue")
    descriptions = write_descriptions(out / "descriptions.parquet", described or {})
    counts = encode.main(
        out / "catalogue", descriptions, model, out / "vectors.npy", out / "wishes.npy", settings=SETTINGS
    )
    return (out / "vectors.npy").read_bytes(), counts


@given(st.lists(st.text(max_size=60), min_size=1, max_size=12), st.randoms())
@settings(max_examples=15, deadline=None)
def test_the_other_texts_do_not_change_a_bit_of_a_vector(model, texts, chance):
    together = dict(zip(texts, in_order(model, texts), strict=True))
    some = chance.sample(sorted(set(texts)), chance.randint(1, len(set(texts))))
    for text, vector in zip(some, in_order(model, some), strict=True):
        np.testing.assert_array_equal(vector, together[text])


def test_vectors_in_blocks_are_those_of_the_encoder(model):
    texts = [*item_texts(garments()), "", "word " * 400, "ΑΒΓ 漢字"]
    assert_alike(in_order(model, texts), TextEncoder(model).encode(texts))
    assert set(token_lengths(model, texts) % 8) == {0}
    assert token_lengths(model, []).shape == (0,) and not list(encode_batches(model, [], 4))


def test_no_more_of_a_text_is_read_than_the_model_does_alone(small_encoder_folder):
    model = open_model(str(small_encoder_folder))
    model.max_seq_length = 20  # no multiple of a block's length
    texts = [
        "a long summer dress made of linen with many a button of shell in front and two wide pockets",
        "a hat",
    ]
    assert token_lengths(model, texts).tolist() == [20, 8]
    assert_alike(in_order(model, texts), TextEncoder(model).encode(texts))


def test_only_new_and_changed_texts_are_encoded_and_the_bytes_are_those_of_a_first_run(
    small_encoder_folder, tmp_path
):
    first, second = tmp_path / "first", tmp_path / "second"
    _, counts = encoded(first, small_encoder_folder)
    assert counts["encoded"] == 72
    changed = garments().iloc[10:].copy()
    changed.loc[changed.index[:3], "title"] = ["A new coat", "A new hat", "A new hat"]
    warm, counts = encoded(first, small_encoder_folder, changed)
    assert counts == {"items": 62, "wishes": 0, "dimensions": 384, "encoded": 3}
    cold, counts = encoded(second, small_encoder_folder, changed)
    assert counts["encoded"] == 62 and warm == cold
    assert len(list(first.glob(".encoded-*"))) == 1


def test_another_model_finds_nothing_of_the_first(small_encoder_folder, tmp_path):
    encoded(tmp_path, small_encoder_folder)
    other = tmp_path / "other"
    shutil.copytree(small_encoder_folder, other)
    (other / "sentence_bert_config.json").write_text('{"max_seq_length": 8, "do_lower_case": false}')
    _, counts = encoded(tmp_path, other)
    assert counts["encoded"] == 72
    assert len(list(tmp_path.glob(".encoded-*"))) == 1


def test_damaged_stored_vectors_are_encoded_again(small_encoder_folder, tmp_path):
    whole, _ = encoded(tmp_path, small_encoder_folder)
    (file,) = tmp_path.glob(".encoded-*/vectors")
    damaged = bytearray(file.read_bytes())
    damaged[500] ^= 1
    file.write_bytes(damaged[:-10])
    again, counts = encoded(tmp_path, small_encoder_folder)
    assert again == whole and counts["encoded"] == 2


def test_what_half_the_store_no_longer_needs_is_dropped(small_encoder_folder, tmp_path):
    encoded(tmp_path, small_encoder_folder)
    (file,) = tmp_path.glob(".encoded-*/vectors")
    size = file.stat().st_size
    some, _ = encoded(tmp_path, small_encoder_folder, garments().iloc[:20])
    assert file.stat().st_size == size * 20 // 72
    again, counts = encoded(tmp_path, small_encoder_folder, garments().iloc[:20])
    assert again == some and counts["encoded"] == 0


@given(st.lists(st.tuples(st.text(max_size=5), st.floats(-1, 1, width=32)), max_size=8), st.integers(0, 60))
@settings(max_examples=30, deadline=None)
def test_a_store_that_was_cut_anywhere_gives_back_what_was_whole(tmp_path_factory, told, cut):
    file = tmp_path_factory.mktemp("store") / "vectors"
    told = list({text: (text, value) for text, value in told}.values())
    store = VectorCache(file, 2)
    store.add(
        [text for text, _ in told], np.array([[value, 0] for _, value in told], np.float32).reshape(-1, 2)
    )
    file.write_bytes(file.read_bytes()[: max(0, file.stat().st_size - cut)])
    again = VectorCache(file, 2)
    left = told[: (len(told) * 44 - min(cut, len(told) * 44)) // 44]
    assert [text in again for text, _ in told] == [True] * len(left) + [False] * (len(told) - len(left))
    np.testing.assert_array_equal(again.get([text for text, _ in left])[:, 0], [value for _, value in left])
    again.add(["one more"], np.ones((1, 2), np.float32))
    assert again.get(["one more"]).tolist() == [[1, 1]]


@pytest.mark.slow
def test_killed_at_any_moment_encoding_goes_on_and_ends_with_the_same_bytes(small_encoder_folder, tmp_path):
    items = garments().loc[garments().index.repeat(5)].reset_index(drop=True)
    items["item_id"] = [f"i{row}" for row in range(len(items))]
    items["title"] = [f"{title} no. {row}" for row, title in enumerate(items["title"])]
    whole, _ = encoded(tmp_path / "whole", small_encoder_folder, items)
    out, chance, kills = tmp_path / "killed", random.Random(0), 0
    write_table("items", items, out / "catalogue")
    write_descriptions(out / "descriptions.parquet", {})
    (out / "text_model.yaml").write_text("encode_batch_size: 4\n")
    command = [
        sys.executable, "-m", "components.text_model.encode", out / "catalogue", out / "descriptions.parquet",
        small_encoder_folder, out / "vectors.npy", out / "wishes.npy", "--conf", out / "text_model.yaml",
    ]  # fmt: skip
    counted = 0
    while not (out / "vectors.npy").is_file():
        child = subprocess.Popen(command, cwd=PROJECT, stderr=subprocess.PIPE, text=True)
        seen = stored(out)
        while child.poll() is None and kills < 3 and stored(out) < seen + chance.randint(40, 90):
            time.sleep(0.01)
        if child.poll() is None and kills < 3:
            child.send_signal(signal.SIGKILL)
            kills += 1
            assert stored(out) > seen
        told = child.communicate()[1]
        assert child.returncode in (0, -signal.SIGKILL), told
        counted = int(told.rsplit("encoded ", 1)[1]) if child.returncode == 0 else 0
    assert kills == 3 and 0 < counted < len(read_items(out / "catalogue"))
    assert (out / "vectors.npy").read_bytes() == whole


def stored(out: Path) -> int:
    """How many vectors are stored beside the output."""
    return sum(file.stat().st_size // (32 + 4 * 384 + 4) for file in out.glob(".encoded-*/vectors"))


def test_wishes_move_the_vector_of_their_item_towards_them_and_no_other(small_encoder_folder, tmp_path):
    wishes = ["a present for a sailor", "something for the boat"]
    plain, _ = encoded(tmp_path / "plain", small_encoder_folder)
    described = {"g10": {"wishes": wishes}, "g11": {"summary": "A garment that says nothing of wishes."}}
    mixed, counts = encoded(tmp_path / "mixed", small_encoder_folder, described=described)
    assert plain != mixed
    # a wish may be the one that is held out of every text
    assert counts["encoded"] in (73, 74)
    before, after = np.load(tmp_path / "plain/vectors.npy"), np.load(tmp_path / "mixed/vectors.npy")
    asked = TextEncoder.load(small_encoder_folder).encode(wishes).mean(axis=0)
    assert after[10] @ asked > before[10] @ asked + 0.1
    np.testing.assert_allclose(np.linalg.norm(after, axis=1), 1, atol=1e-5)
    others = [row for row in range(72) if row not in (10, 11)]
    np.testing.assert_array_equal(before[others], after[others])


def test_wishes_of_weight_0_are_not_encoded(small_encoder_folder, tmp_path):
    write_table("items", garments(), tmp_path / "catalogue")
    descriptions = write_descriptions(
        tmp_path / "some.parquet", {"g1": {"wishes": ["a present for a sailor"]}}
    )
    out = tmp_path / "vectors.npy"
    counts = encode.main(
        tmp_path / "catalogue", descriptions, small_encoder_folder, out, tmp_path / "wishes.npy",
        settings=SETTINGS.model_copy(update={"wishes_weight": 0}),
    )  # fmt: skip
    assert counts["encoded"] == 72
