"""What was understood of a text is kept until the catalogue learns new values, and then the latest texts alone."""

import numpy as np

from components.bundle.texts import KEPT, Text, Texts
from components.language.understanding import Understanding, Vocabulary

VOCABULARY = Vocabulary({"brand": frozenset({"Lumena"})}, True)


def known(text: str, vocabulary: Vocabulary = VOCABULARY) -> Text:
    return Text(Understanding(text), np.zeros(2, np.float32), vocabulary)


def test_a_text_is_known_until_the_catalogue_learns_a_value() -> None:
    texts = Texts()
    texts.keep("hat", known("hat"))
    assert texts.get("hat", VOCABULARY) is not None and texts.get("coat", VOCABULARY) is None
    item = {"item_id": "i", "brand": "Hornsby", "price": 1.0, "attributes": "{}"}
    learnt = VOCABULARY.with_item(item)
    assert "Hornsby" in learnt.values["brand"]
    assert texts.get("hat", learnt) is None
    assert learnt.with_item(item) is learnt


def test_the_text_not_asked_for_longest_is_forgotten_first() -> None:
    texts = Texts()
    for number in range(KEPT):
        texts.keep(str(number), known(str(number)))
    texts.get("0", VOCABULARY)
    texts.keep("new", known("new"))
    assert texts.get("0", VOCABULARY) is not None and texts.get("1", VOCABULARY) is None
