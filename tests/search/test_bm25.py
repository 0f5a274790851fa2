"""Match by words."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from components.core.content_hash import hash_paths
from components.search.bm25 import BM25Index, fuse_scores
from components.search.item_text import matched_texts
from tests.text_model.conftest import garments

SHARE = st.floats(0, 1, width=32)
COSINE = st.floats(-1, 1, width=32)


@pytest.fixture(scope="module")
def lexical() -> BM25Index:
    return BM25Index.from_texts(matched_texts(garments()))


@pytest.mark.parametrize("number", [0, 7, 40, 71])
def test_a_model_number_finds_its_item_first(lexical, number):
    for query in (f"LM-{4000 + number}", f"lm {4000 + number}", f"the {4000 + number} please"):
        assert lexical.scores(query).argmax() == number


SHELF = [
    "Sony WH-1000XM4 headphones, over-ear, 4548736112001",
    "Sony WH-1000XM3 headphones, over-ear, 4548736112002",
    "Bose headphones with a case for Sony WH models, 1000 hours",
    "Kingston 64 GB USB 3.0 stick, 4548736112003",
    "PS4 controller, 64 buttons",
]


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("WH-1000XM4", 0), ("wh1000xm4", 0), ("WH 1000XM4", 0), ("wh-1000 xm4", 0), ("WH-1000XM3", 1),
        ("4548736112002", 1), ("4548736112003", 3), ("64gb stick", 3), ("usb3.0", 3), ("ps 4", 4), ("bose", 2),
        ("Bose's headphones", 2),
    ],
)  # fmt: skip
def test_model_numbers_codes_and_brands_find_their_item_however_they_are_written(query, first):
    assert BM25Index.from_texts(SHELF).scores(query).argmax() == first


def test_compounds_are_found_however_they_are_written():
    shelf = ["Kids smartwatch", "A smart watch for runners", "Smart sockets", "Wall watch", "Rain coat"]
    lexical = BM25Index.from_texts(shelf)
    for query in ("smart watch", "smartwatch"):
        assert set(np.argsort(-lexical.scores(query))[:2]) == {0, 1}
    assert lexical.scores("raincoat").argmax() == 4
    apart = BM25Index.from_texts(["Seat for the car. Pet bowl", "red, wood", "Carpet", "Redwood"])
    assert not apart.scores("carpet redwood")[:2].any()
    assert not lexical.scores("unknownword").any()


def test_a_word_is_not_taken_apart_into_short_words():
    shelf = ["Work done", "Tower PC", "Pet bowl for the car", "A duet", "Para cord", "Tape"]
    assert not BM25Index.from_texts(shelf).scores("carpet").any()


def test_an_exact_model_number_stays_first_in_a_hybrid_whose_vectors_prefer_another():
    words = BM25Index.from_texts(SHELF).scores("WH-1000XM4")
    similarities = np.array([0.55, 0.7, 0.6, 0.2, 0.3], np.float32)
    assert fuse_scores(words, similarities, 0.6).argmax() == 0


def test_a_word_of_the_title_counts_more_than_one_of_the_text():
    items = (
        garments().iloc[[0, 1]].assign(title=["Lamp", "Desk"], text=["Goes on a desk.", "Goes by a lamp."])
    )
    lexical = BM25Index.from_texts(matched_texts(items))
    assert lexical.scores("lamp").argmax() == 0 and lexical.scores("desk").argmax() == 1


def test_a_word_of_the_sentence_counts_more_than_one_of_an_attribute():
    attributes = [json.dumps({"material": ["oak"]}), json.dumps({"material": ["brass"]})]
    items = garments().iloc[[0, 1]]
    items = items.assign(
        title=["Lamp", "Desk"], text=["Made of brass.", "Made of oak."], attributes=attributes
    )
    lexical = BM25Index.from_texts(matched_texts(items))
    assert lexical.scores("brass").argmax() == 0 and lexical.scores("oak").argmax() == 1


def test_word_forms_are_one_word(lexical):
    np.testing.assert_allclose(lexical.scores("raincoats"), lexical.scores("raincoat"))
    assert (lexical.scores("raincoats") > 0).sum() == 18


def test_a_query_of_unknown_words_scores_nothing(lexical):
    for query in ("xylophone", "", "the of", "?!"):
        scores = lexical.scores(query)
        assert scores.shape == (72,)
        assert not scores.any()


def test_a_saved_index_scores_alike(lexical, tmp_path):
    lexical.save(tmp_path / "words")
    again = BM25Index.load(tmp_path / "words")
    for query in ("red raincoat", "LM-4001", "nothing known"):
        np.testing.assert_array_equal(again.scores(query), lexical.scores(query))


@pytest.mark.parametrize("texts", [["A."], ["7", "?"], ["the", "of"]])
def test_items_without_any_word_that_can_be_matched_score_nothing(texts):
    assert not BM25Index.from_texts(texts).scores("anything").any()


@given(
    arrays(np.float32, (3, 5), elements=SHARE), arrays(np.float32, (3, 5), elements=COSINE), st.floats(0, 1)
)
def test_the_hybrid_stays_between_words_and_vectors(words, similarities, weight):
    mixed = fuse_scores(words, similarities, weight)
    shares = words / np.maximum(words.max(axis=1, keepdims=True), 1e-9)
    low, high = np.minimum(shares, similarities), np.maximum(shares, similarities)
    assert (mixed >= low - 1e-5).all() and (mixed <= high + 1e-5).all()
    assert (mixed >= -1 - 1e-5).all() and (mixed <= 1 + 1e-5).all()


@given(arrays(np.float32, 5, elements=SHARE), arrays(np.float32, 5, elements=COSINE))
def test_at_its_ends_the_hybrid_ranks_by_one_alone(words, similarities):
    words = np.append(words, np.float32(1))
    similarities = np.append(similarities, np.float32(0))
    np.testing.assert_allclose(fuse_scores(words, similarities, 0), similarities, atol=1e-6)
    assert (np.diff(fuse_scores(words, similarities, 1)[np.argsort(words, kind="stable")]) >= 0).all()


def test_meaning_decides_where_no_item_says_all_words_of_a_query():
    shelf = ["Gaming headset", "Laptop bag", "Laptop lock", "Asus TUF notebook for gamers", "Board game"]
    scores = BM25Index.from_texts(shelf).scores("gaming laptop")
    similarities = np.array([0.3, 0.35, 0.25, 0.6, 0.1], np.float32)
    assert scores.max() < 0.7
    assert fuse_scores(scores, similarities, 0.7).argmax() == 3
    said = BM25Index.from_texts([*shelf, "Gaming laptop stand"]).scores("gaming laptop")
    assert fuse_scores(said, np.append(similarities, np.float32(0.4)), 0.7).argmax() == 5


@pytest.mark.parametrize(
    ("query", "least", "most"),
    [
        ("leather", 1, 1), ("leather boots", 0.99, 1), ("boots of leather for the rain", 0.5, 0.75),
        ("smart watch", 1, 1), ("smartwatch", 1, 1), ("rainboots", 0.5, 0.8), ("leather xylophone", 0.3, 0.55),
        ("xylophone", 0, 0), ("", 0, 0),
    ],
)  # fmt: skip
def test_words_score_by_how_much_of_the_query_they_say(query, least, most):
    scores = BM25Index.from_texts(["Leather boots", "Rain cape", "Kids smartwatch", "A smart watch"]).scores(
        query
    )
    assert least <= scores.max().round(4) <= most


@given(st.text("abc de", max_size=12), st.lists(st.text("abc de", max_size=12), min_size=1, max_size=5))
def test_scores_by_words_are_shares(query, texts):
    scores = BM25Index.from_texts(texts).scores(query)
    assert ((scores >= 0) & (scores <= 1)).all()


def test_the_same_texts_make_the_same_bytes_in_another_process(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from components.search.bm25 import BM25Index; "
        "BM25Index.from_texts(['a red summer dress', 'blue winter coats', '']).save(Path(sys.argv[1]))"
    )
    digests = []
    for seed in ("1", "2"):
        own = os.environ | {"PYTHONHASHSEED": seed}
        subprocess.run([sys.executable, "-c", program, str(tmp_path / seed)], env=own, check=True)
        digests.append(hash_paths([tmp_path / seed]))
    assert digests[0] == digests[1]
