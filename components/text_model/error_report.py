"""The worst queries as an HTML page: what was shown, how it was graded, and what was missed and why."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
import pandas as pd

from components.core.ranking_metrics import Floats, mean_ndcg

MAX_QUERIES, TOP_K = 20, 5
STYLE = (
    "body{font:15px/1.5 system-ui;margin:2rem auto;max-width:60rem;padding:0 1rem}"
    "table{border-collapse:collapse;width:100%}td,th{padding:.2rem .6rem;text-align:left;border-bottom:1px solid #ddd}"
    "td.n{text-align:right;font-variant-numeric:tabular-nums}"
)


@dataclass(frozen=True)
class QueryScores:
    """Scores of the items (i,) for one query by the hybrid, by BM25 and by vectors, and the items' grades."""

    hybrid: Floats
    words: Floats
    similarities: Floats
    grades: Floats


def worst_queries(
    texts: Sequence[str],
    titles: Sequence[str],
    ranked: Floats,
    words: Floats,
    similarities: Floats,
    grades: Floats,
) -> str:
    """Return HTML of the queries with the lowest NDCG@10.

    ranked, words, similarities: scores (q, i) of the hybrid, of BM25 and of vectors. grades: (q, i).
    """
    quality = [mean_ndcg(ranked[[query]], grades[[query]], 10) for query in range(len(texts))]
    # Stable here and below, so that queries and items of equal scores have the same order on every machine
    worst = np.argsort(quality, kind="stable")[:MAX_QUERIES]
    sections = []
    for query in worst:
        scores = QueryScores(
            hybrid=ranked[query],
            words=words[query],
            similarities=similarities[query],
            grades=grades[query],
        )
        best = np.argsort(-scores.hybrid, kind="stable")[:TOP_K]
        table = "".join(_render_row(titles[row], place, row, scores) for place, row in enumerate(best, 1))
        # Titles and queries are other people's text, so each is escaped
        sections.append(
            f"<h2>{escape(texts[query])}</h2>"
            f"<p>NDCG@10 {quality[query]:.3f}. {escape(_explain_miss(titles, scores))}</p>"
            f"<table><tr><th>shown<th>item<th>grade<th>words<th>cosine</tr>{table}</table>"
        )
    return (
        f"<!doctype html><meta charset=utf-8><title>Worst queries</title><style>{STYLE}</style>"
        f"<h1>The {len(worst)} worst of {len(texts)} test queries</h1>{''.join(sections)}\n"
    )


def _render_row(title: str, place: int, row: int, scores: QueryScores) -> str:
    return (
        f"<tr><td class=n>{place}</td><td>{escape(title)}</td><td class=n>{scores.grades[row]:.0f}</td>"
        f"<td class=n>{scores.words[row]:.2f}</td><td class=n>{scores.similarities[row]:.2f}</td></tr>"
    )


def _explain_miss(titles: Sequence[str], scores: QueryScores) -> str:
    """Name the best item that is not among the first ten, and its ranks."""
    ranks = rank_items(scores.hybrid)
    missed = np.flatnonzero((scores.grades > 0) & (ranks > 10))
    if not len(missed):
        return "All that fits is among the first ten, in another order."
    # The highest grade first; of equal grades the one that was nearest to being shown
    best = missed[np.lexsort((ranks[missed], -scores.grades[missed]))[0]]
    by_words = f"is {rank_items(scores.words)[best]}. by words"
    if scores.words[best] <= 0:
        by_words = "has none of the words"
    return (
        f"{titles[best]} (grade {scores.grades[best]:.0f}) comes {ranks[best]}.: "
        f"it {by_words} and {rank_items(scores.similarities)[best]}. by vectors."
    )


def rank_items(scores: Floats) -> Floats:
    """Return the ranks of items (i,) from 1; items of equal scores keep their order."""
    return np.asarray(pd.Series(-scores).rank(method="first").to_numpy(dtype=np.int64))
