"""The worst queries as a page that people read: what was shown, how it was graded, and what was missed and why."""

from collections.abc import Sequence
from html import escape

import numpy as np
import pandas as pd

from components.core.ranking_metrics import Floats, mean_ndcg

WORST, SHOWN = 20, 5
STYLE = (
    "body{font:15px/1.5 system-ui;margin:2rem auto;max-width:60rem;padding:0 1rem}"
    "table{border-collapse:collapse;width:100%}td,th{padding:.2rem .6rem;text-align:left;border-bottom:1px solid #ddd}"
    "td.n{text-align:right;font-variant-numeric:tabular-nums}"
)


def worst_queries(
    texts: Sequence[str],
    titles: Sequence[str],
    ranked: Floats,
    words: Floats,
    similarities: Floats,
    grades: Floats,
) -> str:
    """HTML of the queries with the least NDCG@10.

    ranked, words, similarities: scores (q, i) of the hybrid, of BM25 and of vectors. grades: (q, i).
    """
    quality = [mean_ndcg(ranked[[query]], grades[[query]], 10) for query in range(len(texts))]
    worst = np.argsort(quality, kind="stable")[:WORST]
    sections = []
    for query in worst:
        rows = np.argsort(-ranked[query], kind="stable")[:SHOWN]
        shown = [
            _row(titles[row], place, query, row, grades, words, similarities)
            for place, row in enumerate(rows, 1)
        ]
        why = _why(query, titles, ranked, words, similarities, grades)
        sections.append(
            f"<h2>{escape(texts[query])}</h2><p>NDCG@10 {quality[query]:.3f}. {escape(why)}</p>"
            "<table><tr><th>shown<th>item<th>grade<th>words<th>cosine</tr>" + "".join(shown) + "</table>"
        )
    return (
        f"<!doctype html><meta charset=utf-8><title>Worst queries</title><style>{STYLE}</style>"
        f"<h1>The {len(worst)} worst of {len(texts)} test queries</h1>{''.join(sections)}\n"
    )


def _row(
    title: str, place: int, query: int, row: int, grades: Floats, words: Floats, similarities: Floats
) -> str:
    numbers = f"{grades[query, row]:.0f}", f"{words[query, row]:.2f}", f"{similarities[query, row]:.2f}"
    cells = "".join(f"<td class=n>{number}</td>" for number in numbers)
    return f"<tr><td class=n>{place}</td><td>{escape(title)}</td>{cells}</tr>"


def _why(
    query: int,
    titles: Sequence[str],
    ranked: Floats,
    words: Floats,
    similarities: Floats,
    grades: Floats,
) -> str:
    """The best item that is not among the first ten, and its ranks."""
    places = ranks(ranked[query])
    missed = np.flatnonzero((grades[query] > 0) & (places > 10))
    if not len(missed):
        return "All that fits is among the first ten, in another order."
    best = missed[np.lexsort((places[missed], -grades[query, missed]))[0]]
    by_words = (
        "has none of the words" if words[query, best] <= 0 else f"is {ranks(words[query])[best]}. by words"
    )
    return (
        f"{titles[best]} (grade {grades[query, best]:.0f}) comes {places[best]}.: "
        f"it {by_words} and {ranks(similarities[query])[best]}. by vectors."
    )


def ranks(scores: Floats) -> Floats:
    """Places of items (i,) from 1; equal ones keep the items' order."""
    return np.asarray(pd.Series(-scores).rank(method="first").to_numpy(dtype=np.int64))
