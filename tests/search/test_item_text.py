"""The one text of an item."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.search.item_text import (
    contains_phrase,
    item_text,
    item_texts,
    lowercase_text,
    read_attributes,
)
from tests.text_model.conftest import garments


def item(**given_values):
    return {
        "title": "Coat",
        "text": "",
        "category": None,
        "brand": None,
        "year": None,
        "attributes": "{}",
    } | given_values


def test_the_text_says_what_title_and_sentence_do_not():
    text = item_text(
        item(
            text="A red coat.",
            year=2024,
            brand="Lumena",
            attributes='{"colour": ["red"], "material": ["wool"]}',
        )
    )
    assert text == "Coat. A red coat. 2024, wool, Lumena"


@pytest.mark.parametrize(
    ("sentence", "value"), [("A coat for women.", "men"), ("Shredded denim.", "red"), ("Carpeted.", "car")]
)
def test_a_value_inside_another_word_is_not_yet_said(sentence, value):
    text = item_text(item(text=sentence, attributes=f'{{"what": ["{value}"]}}'))
    assert text.endswith(f" {value}")


def test_an_item_of_a_title_alone_has_a_text():
    assert item_text(item()) == "Coat."
    assert item_text(item(year=pd.NA, brand=float("nan"))) == "Coat."


def test_texts_keep_the_items_order():
    items = garments()
    assert item_texts(items) == [item_text(row) for row in items.to_dict("records")]
    assert "LM-4007" in item_texts(items)[7]


def test_the_brand_is_an_attribute():
    assert read_attributes(item(brand="Lumena", attributes='{"colour": ["red"]}')) == {
        "colour": ["red"],
        "brand": ["Lumena"],
    }


@given(st.text())
def test_spaces_around_and_between_words_do_not_count(text):
    assert lowercase_text(f"  {text}\n") == lowercase_text(text)
    assert "  " not in lowercase_text(text) and lowercase_text(text) == lowercase_text(text).strip()


@given(st.text(alphabet="abc", min_size=1), st.text(alphabet="abc", min_size=1))
def test_a_phrase_is_said_as_whole_words_only(word, other):
    assert contains_phrase(f"{other} {word.upper()}, {other}", word)
    assert contains_phrase(f"{other}{word}", word) == (not other)
