"""Hard negatives."""

import numpy as np
import pandas as pd
import pytest

from components.search.item_text import item_texts
from components.text_model.encoder import TextEncoder
from components.text_model.hard_negatives import mine_negatives
from tests.text_model.conftest import garments


@pytest.fixture(scope="module")
def encoder(small_encoder_folder) -> TextEncoder:
    return TextEncoder.load(small_encoder_folder)


def test_a_negative_shares_words_and_is_clearly_less_like_the_anchor(encoder):
    texts = item_texts(garments())
    pairs = pd.DataFrame({"anchor": garments()["title"], "positive": texts})
    mined = mine_negatives(pairs, encoder, margin=0.05, seed=0)
    assert (mined["negative"] != mined["positive"]).mean() > 0.95
    anchors, positives, negatives = (encoder.encode(mined[name].tolist()) for name in mined.columns)
    like, unlike = (anchors * positives).sum(axis=1), (anchors * negatives).sum(axis=1)
    assert (unlike <= like - 0.05 + 1e-5).mean() > 0.95
    kind = [title.split()[0].lower() for title in mined["anchor"]]
    assert np.mean([word in text.lower() for word, text in zip(kind, mined["negative"], strict=True)]) > 0.5


def test_what_fits_as_well_as_the_positive_is_refused(encoder):
    pairs = pd.DataFrame(
        {
            "anchor": ["red wool coat", "red wool coat", "blue jeans"],
            "positive": ["A red coat made of wool", "Coat, red, wool", "Jeans in blue"],
        }
    )
    twin = pd.DataFrame({"anchor": ["twin"], "positive": ["A red wool coat"]})
    coat = pd.DataFrame({"anchor": ["paint"], "positive": ["A thin coat of varnish for wood"]})
    mined = mine_negatives(pd.concat([pairs, twin, coat], ignore_index=True), encoder, margin=0.05, seed=0)
    assert (
        mined.loc[mined["anchor"] == "red wool coat", "negative"].tolist()
        == ["A thin coat of varnish for wood"] * 2
    )


def test_the_same_seed_mines_the_same(encoder):
    pairs = pd.DataFrame({"anchor": ["x", "y", "z"], "positive": ["one", "two", "three"]})
    first, second = (mine_negatives(pairs, encoder, margin=0.05, seed=1) for _ in range(2))
    pd.testing.assert_frame_equal(first, second)
    assert set(first["negative"]) <= {"one", "two", "three"}


def test_no_negative_is_a_positive_of_its_anchor_and_who_fits_all_texts_has_none(encoder):
    pairs = pd.DataFrame(
        {"anchor": ["x", "x", "y", "z", "z", "z"], "positive": ["one", "two", "three", "one", "two", "three"]}
    )
    for seed in range(20):
        mined = mine_negatives(pairs, encoder, margin=1.0, seed=seed)
        assert set(mined["anchor"]) == {"x", "y"}
        assert set(mined.loc[mined["anchor"] == "x", "negative"]) == {"three"}
        assert set(mined.loc[mined["anchor"] == "y", "negative"]) <= {"one", "two"}
