"""Rank the items of a bundle by text, user history, popularity or likeness to an item."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from components.bundle.bundle import Bundle
from components.bundle.query import ParsedQuery, Sort
from components.bundle.stores.item_store import ItemStore
from components.core.linear_algebra import unit_rows
from components.index.annoy_index import top_rows
from components.query_model.parser import QueryMeaning, limit_to_third
from components.search.bm25 import fuse_scores

Rows = NDArray[np.int64]
Scores = NDArray[np.float32]
Mask = NDArray[np.bool_]
# of the order by popularity, looked through at a time; one block is enough unless filters leave few items
BLOCK_ROWS = 4096


@dataclass(frozen=True)
class Ranking:
    """Rows of items, best first, with their scores; parts: the parts of the scores, by name."""

    rows: Rows
    scores: Scores
    parts: dict[str, Scores] = field(default_factory=dict)

    @classmethod
    def from_scores(cls, rows: Rows, scores: Scores, **parts: Scores) -> "Ranking":
        """Rank rows by their scores; equal ones by row."""
        # by row, so that pages fit together: each page ranks anew
        order = np.lexsort((rows, -scores))
        return cls(rows[order], scores[order], {name: part[order] for name, part in parts.items()})

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, positions: Rows | slice) -> "Ranking":
        """Return the items at some positions, in the given order."""
        parts = {name: part[positions] for name, part in self.parts.items()}
        return Ranking(self.rows[positions], self.scores[positions], parts)

    def explain_score(self, position: int) -> dict[str, float]:
        """Return the parts of the score at a position, rounded to four digits."""
        return {name: round(float(part[position]), 4) for name, part in self.parts.items()}

    def sort_by(self, sort: Sort, items: ItemStore) -> "Ranking":
        """Sort by price or year, equal ones by rank; items without a price or year come last."""
        if sort == "relevance":
            return self
        if sort == "-year":
            years = [item["year"] or -1 for item in items.records(self.rows)]
            return self.take(np.argsort(-np.array(years, float), kind="stable"))
        prices = items.price[self.rows]  # argsort puts NaN last, whatever its sign
        return self.take(np.argsort(prices if sort == "price" else -prices, kind="stable"))


class Ranker:
    """Ranks the items of a bundle."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle

    def by_text(self, parsed: ParsedQuery, allowed: Mask) -> tuple[Ranking, QueryMeaning]:
        """Rank by BM25, text vectors, the user embedding and popularity.

        Returns the ranking, and the meaning with the price range of a query for the cheap or the expensive third.
        """
        assert parsed.vector is not None
        bundle = self.bundle
        bm25 = bundle.bm25.scores(parsed.meaning.text)
        rows = self._find_candidates(parsed.vector, bm25, allowed)
        if not len(rows):
            nothing = np.zeros(0, np.float32)
            return Ranking.from_scores(rows, nothing, taste=nothing), parsed.meaning
        cosines = bundle.text_index.scores(rows, parsed.vector)
        text = _mix_scores(bm25, rows, cosines, bundle.bm25_weight)
        # "cheap" means a third of the prices of what matches, so it is known only now
        prices = bundle.items.price[rows]
        meaning = limit_to_third(parsed.meaning, prices[np.argsort(-text, kind="stable")])
        if meaning != parsed.meaning:
            kept = _in_range(prices, meaning)
            rows, cosines, text = rows[kept], cosines[kept], text[kept]
        # a unit row, so that a long history does not outweigh the text
        embedding = unit_rows(self.user_embedding(parsed.query.user_id))
        taste = bundle.factor_index.scores(rows, embedding)
        popularity = bundle.popularity.values[rows]
        scores = text + bundle.taste_weight * taste + bundle.popularity_weight * popularity
        parts = {"language": text, "words": bm25[rows], "meaning": cosines, "taste": taste}
        return Ranking.from_scores(rows, scores, **parts, popularity=popularity), meaning

    def _find_candidates(self, vector: Scores, bm25: Scores, allowed: Mask) -> Rows:
        """Return the allowed rows that are nearest by text vector, and those that BM25 scores highest."""
        n_candidates = self.bundle.settings.candidates
        near, _ = self.bundle.text_index.search(vector, n_candidates, allowed)
        # not sorted whole: where a tenth of 100,000 items hold a word, that was two thirds of an answer's time
        matching = np.flatnonzero(allowed & (bm25 > 0))
        matched, _ = top_rows(matching, bm25[matching], n_candidates)
        return _unite_rows(near, matched)

    def by_popularity(self, allowed: Mask, count: int) -> Ranking:
        """Rank the `count` most popular allowed items."""
        found = np.empty(0, np.int64)
        order = self.bundle.most_popular
        for start in range(0, len(order), BLOCK_ROWS):
            block = order[start : start + BLOCK_ROWS]
            found = np.concatenate([found, block[allowed[block]]])
            if len(found) >= count:
                break
        else:
            # items put since the bundle was built have no popularity and are not in its order
            new = np.arange(len(order), len(allowed))
            found = np.concatenate([found, new[allowed[new]]])
        return Ranking.from_scores(found[:count], self.bundle.popularity.values[found[:count]])

    def by_history(self, known: Rows, weights: Scores, allowed: Mask, count: int) -> Ranking:
        """Rank by ELSA and its sparse part, from the items of a history and their weights."""
        bundle = self.bundle
        embedding = weights @ bundle.factor_index.vectors_of(known)
        # the sparse part has no rows for items put since the bundle was built
        trained = known < bundle.n_trained_items
        neighbours, added = bundle.factors.score_neighbours(known[trained], weights[trained])
        kept = allowed[neighbours]
        neighbours, added = neighbours[kept], added[kept]
        count = max(count, bundle.settings.candidates)
        # where the neighbours fill the candidate list, 99.98 % of the best twelve are among them on Goodbooks, and
        # 3,000 nodes find more of the best 200 than 9,000: 98.6 % and 95.8 % for test users (benchmarks/taste.py)
        nodes = bundle.settings.history_search_k if len(neighbours) >= count else None
        near, _ = bundle.factor_index.search(unit_rows(embedding), count, allowed, nodes)
        rows = _unite_rows(near, neighbours)
        sparse = np.zeros(len(rows), np.float32)
        sparse[np.searchsorted(rows, neighbours)] = added
        # by the length of the embedding, so that scores of long and short histories have one scale
        length = max(float(np.linalg.norm(embedding)), 1e-9)
        scores = (bundle.factor_index.scores(rows, embedding) + sparse) / length
        return Ranking.from_scores(rows, scores.astype(np.float32))

    def by_item(self, row: int, allowed: Mask, count: int) -> Ranking:
        """Rank by the mean of the cosines of text vectors and of factors with those of an item."""
        bundle = self.bundle
        count = max(count, bundle.settings.candidates)
        text = unit_rows(bundle.text_index.vectors_of(np.array([row]))[0])
        factors = unit_rows(bundle.factor_index.vectors_of(np.array([row]))[0])
        near_text, _ = bundle.text_index.search(text, count, allowed)
        near_factors, _ = bundle.factor_index.search(factors, count, allowed)
        rows = _unite_rows(near_text, near_factors)
        meaning = bundle.text_index.scores(rows, text)
        taste = bundle.factor_index.scores(rows, factors)
        mean = (meaning + taste) / 2
        return Ranking.from_scores(rows, mean.astype(np.float32), meaning=meaning, taste=taste)

    def user_embedding(self, user_id: str | None) -> Scores:
        """Return the weighted sum of the factors in a user's history, (d,); zeros for an unknown user."""
        known, weights = self.bundle.histories.of_user(user_id)
        embedding: Scores = weights @ self.bundle.factor_index.vectors_of(known)
        return embedding


def _mix_scores(bm25: Scores, rows: Rows, cosines: Scores, weight: float) -> Scores:
    """Return the mix of BM25 (i,) and cosines of some rows, (rows,)."""
    # against the best item of all, shown or not: the order of the others must not change when it is sold out
    with_best = np.append(rows, bm25.argmax())
    return fuse_scores(bm25[with_best], np.append(cosines, np.float32(0)), weight)[:-1].astype(np.float32)


def _in_range(prices: NDArray[np.float64], meaning: QueryMeaning) -> Mask:
    high = np.inf if meaning.price_max is None else meaning.price_max
    within: Mask = (prices >= (meaning.price_min or 0)) & (prices <= high)
    return within


def _unite_rows(*parts: Rows) -> Rows:
    """Return the rows of any part, in order, each once."""
    # for a few thousand rows this is quicker than numpy.unique
    rows = np.sort(np.concatenate(parts))
    return rows[np.diff(rows, prepend=-1) > 0]
