"""Which words a text has."""

import pytest
import Stemmer
from hypothesis import given
from hypothesis import strategies as st

from components.search.tokenizer import stem_words

STEMMER = Stemmer.Stemmer("english")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Women's summer dresses", ["women", "summer", "dress"]),
        ("the ladies' hats of the shop", ["ladi", "hat", "shop"]),
        ("WH-1000XM4", ["wh", "1000xm4", "1000", "xm", "4", "wh1000xm4"]),
        ("a D battery", ["d", "batteri"]),
        ("Ägäis_blau", ["ägäis", "blau", "ägäisblau"]),
        ("?! -", []),
    ],
)
def test_words_are_stems_and_model_numbers_whole_joined_and_in_parts(text, expected):
    assert stem_words(text, STEMMER) == expected


@given(st.text(max_size=60))
def test_case_and_signs_around_words_change_nothing(text):
    plain = stem_words(text.lower(), STEMMER)
    assert stem_words(f" {text.lower()} ", STEMMER) == plain
    assert all(word for word in plain)
