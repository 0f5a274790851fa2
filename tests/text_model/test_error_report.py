"""The page of the worst queries."""

import numpy as np

from components.text_model.error_report import worst_queries

TITLES = ["Lamp", "Desk <1>", *(f"Chair {number}" for number in range(12))]


def page(words: np.ndarray, similarities: np.ndarray, grades: np.ndarray) -> str:
    texts = [f"query {number} & more" for number in range(len(grades))]
    return worst_queries(texts, TITLES, (words + similarities) / 2, words, similarities, grades)


def test_the_worst_come_first_and_titles_are_text():
    grades = np.zeros((2, 14))
    grades[:, 1] = 3
    similarities = np.zeros((2, 14))
    similarities[0, 1] = 1
    told = page(np.zeros((2, 14)), similarities, grades)
    assert told.index("query 1 &amp; more") < told.index("query 0 &amp; more")
    assert "Desk &lt;1&gt;" in told and "Desk <1>" not in told
    assert told.count("All that fits is among the first ten") == 2


def test_what_was_missed_is_named_with_its_places():
    grades = np.zeros((1, 14))
    grades[0, 0] = 2
    words, similarities = np.ones((1, 14)), np.ones((1, 14))
    words[0, 0] = similarities[0, 0] = 0
    told = page(words, similarities, grades)
    assert "Lamp (grade 2) comes 14.: it has none of the words and 14. by vectors." in told
