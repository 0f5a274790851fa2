"""Rank the items of a bundle by text, user history, popularity or likeness to an item."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from components.bundle.bundle import Bundle
from components.bundle.query import ParsedQuery, Sort
from components.bundle.stores.item_store import ItemStore
from components.core.linear_algebra import unit_rows
from components.index.annoy_index import best
from components.query_model.parser import QueryMeaning, within_third
from components.search.bm25 import hybrid

Rows = NDArray[np.int64]
Scores = NDArray[np.float32]
Mask = NDArray[np.bool_]
BLOCK_ROWS = 4096


@dataclass(frozen=True)
class Ranking:
    """Rows of items, best first, with their scores; parts: what each kind of evidence adds, by its name."""

    rows: Rows
    scores: Scores
    parts: dict[str, Scores] = field(default_factory=dict)

    @classmethod
    def from_scores(cls, rows: Rows, scores: Scores, **parts: Scores) -> "Ranking":
        """Order rows by their scores; equal ones by row."""
        order = np.lexsort((rows, -scores))
        return cls(rows[order], scores[order], {name: part[order] for name, part in parts.items()})

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, places: Rows | slice) -> "Ranking":
        """Return some of it, in the given order."""
        parts = {name: part[places] for name, part in self.parts.items()}
        return Ranking(self.rows[places], self.scores[places], parts)

    def sort_by(self, sort: Sort, items: ItemStore) -> "Ranking":
        """Sort by price or year, equal ones as they were; items without one come last."""
        if sort == "relevance":
            return self
        if sort == "-year":
            years = [item["year"] or -1 for item in items.records(self.rows)]
            return self.take(np.argsort(-np.array(years, float), kind="stable"))
        prices = items.price[self.rows]
        return self.take(np.argsort(prices if sort == "price" else -prices, kind="stable"))


class Ranker:
    """Ranks the items of a bundle."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle

    def by_text(self, parsed: ParsedQuery, allowed: Mask) -> tuple[Ranking, QueryMeaning]:
        """Rank by BM25 and vectors, then by the user's embedding and popularity.

        Returns the ranking and the meaning, with the prices of the third that the query asks for.
        """
        assert parsed.vector is not None
        bundle = self.bundle
        bm25 = bundle.bm25.scores(parsed.meaning.text)
        rows = self._candidates(parsed.vector, bm25, allowed)
        if not len(rows):
            nothing = np.zeros(0, np.float32)
            return Ranking.from_scores(rows, nothing, taste=nothing), parsed.meaning
        cosines = bundle.text_index.scores(rows, parsed.vector)
        text = _mix(bm25, rows, cosines, bundle.bm25_weight)
        prices = bundle.items.price[rows]
        meaning = within_third(parsed.meaning, prices[np.argsort(-text, kind="stable")])
        if meaning != parsed.meaning:
            kept = _in_range(prices, meaning)
            rows, cosines, text = rows[kept], cosines[kept], text[kept]
        taste = bundle.factor_index.scores(rows, unit_rows(self.user_embedding(parsed.query.user_id)))
        popularity = bundle.popularity.values[rows]
        scores = text + bundle.taste_weight * taste + bundle.popularity_weight * popularity
        parts = {"language": text, "words": bm25[rows], "meaning": cosines, "taste": taste}
        return Ranking.from_scores(rows, scores, **parts, popularity=popularity), meaning

    def _candidates(self, vector: Scores, bm25: Scores, allowed: Mask) -> Rows:
        n_candidates = self.bundle.settings.candidates
        near, _ = self.bundle.text_index.search(vector, n_candidates, allowed)
        matching = np.flatnonzero(allowed & (bm25 > 0))
        matched, _ = best(matching, bm25[matching], n_candidates)
        return _union(near, matched)

    def by_popularity(self, allowed: Mask, count: int) -> Ranking:
        """Rank the most popular allowed items."""
        found = np.empty(0, np.int64)
        order = self.bundle.most_popular
        for start in range(0, len(order), BLOCK_ROWS):
            block = order[start : start + BLOCK_ROWS]
            found = np.concatenate([found, block[allowed[block]]])
            if len(found) >= count:
                break
        else:
            new = np.arange(len(order), len(allowed))
            found = np.concatenate([found, new[allowed[new]]])
        return Ranking.from_scores(found[:count], self.bundle.popularity.values[found[:count]])

    def by_history(self, known: Rows, weights: Scores, allowed: Mask, count: int) -> Ranking:
        """Rank by ELSA and its sparse part, from the items of a history and their weights.

        Where the sparse neighbours fill the candidate list, the best of all are among them, and the index is searched
        with less effort.
        """
        bundle = self.bundle
        embedding = weights @ bundle.factor_index.vectors_of(known)
        trained = known < bundle.n_trained_items
        neighbours, added = bundle.factors.beside(known[trained], weights[trained])
        kept = allowed[neighbours]
        neighbours, added = neighbours[kept], added[kept]
        count = max(count, bundle.settings.candidates)
        nodes = bundle.settings.search_k if len(neighbours) >= count else None
        near, _ = bundle.factor_index.search(unit_rows(embedding), count, allowed, nodes)
        rows = _union(near, neighbours)
        sparse = np.zeros(len(rows), np.float32)
        sparse[np.searchsorted(rows, neighbours)] = added
        length = max(float(np.linalg.norm(embedding)), 1e-9)
        scores = (bundle.factor_index.scores(rows, embedding) + sparse) / length
        return Ranking.from_scores(rows, scores.astype(np.float32))

    def by_item(self, row: int, allowed: Mask, count: int) -> Ranking:
        """Rank by likeness to an item, of its text and its factors in equal parts."""
        indexes = {"meaning": self.bundle.text_index, "taste": self.bundle.factor_index}
        count = max(count, self.bundle.settings.candidates)
        vectors = {name: unit_rows(index.vectors_of(np.array([row]))[0]) for name, index in indexes.items()}
        near = [index.search(vectors[name], count, allowed)[0] for name, index in indexes.items()]
        rows = _union(*near)
        parts = {name: index.scores(rows, vectors[name]) for name, index in indexes.items()}
        mean = (parts["meaning"] + parts["taste"]) / 2
        return Ranking.from_scores(rows, mean.astype(np.float32), **parts)

    def user_embedding(self, user_id: str | None) -> Scores:
        """Sum the factors of the items in a user's history, (d,); zeros for an unknown user."""
        known, weights = self.bundle.histories.of_user(user_id)
        embedding: Scores = weights @ self.bundle.factor_index.vectors_of(known)
        return embedding


def _mix(bm25: Scores, rows: Rows, cosines: Scores, weight: float) -> Scores:
    """Mix BM25 (i,) and cosines of some rows.

    BM25 counts against the best item of all, whether it can be shown or not: the order of the others stays as it is when
    that item is sold out or removed.
    """
    with_best = np.append(rows, bm25.argmax())
    return hybrid(bm25[with_best], np.append(cosines, np.float32(0)), weight)[:-1].astype(np.float32)


def _in_range(prices: NDArray[np.float64], meaning: QueryMeaning) -> Mask:
    high = np.inf if meaning.price_max is None else meaning.price_max
    within: Mask = (prices >= (meaning.price_min or 0)) & (prices <= high)
    return within


def _union(*parts: Rows) -> Rows:
    """The rows of any part, in order; of a few thousand this is quicker than NumPy's."""
    rows = np.sort(np.concatenate(parts))
    return rows[np.diff(rows, prepend=-1) > 0]
