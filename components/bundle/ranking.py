"""Items in order, with the parts of their scores; every kind of answer is a page of one."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from components.bundle.load import Bundle
from components.bundle.question import Question, Sort
from components.bundle.shelf import Shelf
from components.index.segment import best
from components.language.lexical import hybrid
from components.language.understanding import Understanding, within_third
from components.recommender import content_map

Rows = NDArray[np.int64]
Scores = NDArray[np.float32]
Mask = NDArray[np.bool_]
POPULAR_AT_ONCE = 4096


@dataclass(frozen=True)
class Ranking:
    """Rows of items, best first, with their scores; parts: what each kind of evidence gave, by its name."""

    rows: Rows
    scores: Scores
    parts: dict[str, Scores] = field(default_factory=dict)

    @classmethod
    def of(cls, rows: Rows, scores: Scores, **parts: Scores) -> "Ranking":
        """Put rows in order; equal ones by row."""
        order = np.lexsort((rows, -scores))
        return cls(rows[order], scores[order], {name: part[order] for name, part in parts.items()})

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, places: Rows | slice) -> "Ranking":
        """Some of it, in the given order."""
        parts = {name: part[places] for name, part in self.parts.items()}
        return Ranking(self.rows[places], self.scores[places], parts)

    def sorted(self, bundle: Bundle, sort: Sort) -> "Ranking":
        """By price or year, and as it was among equal ones; what has none comes last."""
        if sort == "relevance":
            return self
        if sort == "-year":
            years = [item["year"] or -1 for item in bundle.shelf.records(self.rows)]
            return self.take(np.argsort(-np.array(years, float), kind="stable"))
        prices = bundle.shelf.price[self.rows]
        return self.take(np.argsort(prices if sort == "price" else -prices, kind="stable"))


def by_language(bundle: Bundle, question: Question, allowed: Mask) -> tuple[Ranking, Understanding]:
    """What fits a text by words and by meaning, fitted to a person, the popular first among equals.

    And what was meant, with the prices of the third that was asked for.
    """
    assert question.vector is not None
    settings, vector = bundle.settings, question.vector
    near, _ = bundle.text.search(vector, settings.candidates, allowed)
    words = bundle.words.scores(question.meant.text)
    said = np.flatnonzero(allowed & (words > 0))
    worded, _ = best(said, words[said], settings.candidates)
    rows = union(near, worded)
    if not len(rows):
        return Ranking.of(rows, np.zeros(0, np.float32), taste=np.zeros(0, np.float32)), question.meant
    meaning = bundle.text.scores(rows, vector)
    language = _language(words, rows, meaning, bundle.lexical_weight)
    prices = bundle.shelf.price[rows]
    meant = within_third(question.meant, prices[np.argsort(-language, kind="stable")])
    if meant != question.meant:
        low, high = meant.price_min or 0, np.inf if meant.price_max is None else meant.price_max
        kept = (prices >= low) & (prices <= high)
        rows, meaning, language = rows[kept], meaning[kept], language[kept]
    taste = bundle.taste.scores(rows, unit(taste_of(bundle, question.query.user_id)))
    popularity = bundle.popularity.values[rows]
    scores = language + bundle.taste_weight * taste + bundle.popularity_weight * popularity
    ranking = Ranking.of(
        rows,
        scores,
        language=language,
        words=words[rows],
        meaning=meaning,
        taste=taste,
        popularity=popularity,
    )
    return ranking, meant


def _language(words: Scores, rows: Rows, meaning: Scores, weight: float) -> Scores:
    """Words and meaning of some rows, mixed; words (i,) count against the best of all, whether it can be shown or not.

    So the order of the others stays as it is when an item is sold out or removed.
    """
    with_best = np.append(rows, words.argmax())
    return hybrid(words[with_best], np.append(meaning, np.float32(0)), weight)[:-1].astype(np.float32)


def by_popularity(bundle: Bundle, allowed: Mask, most: int) -> Ranking:
    """The most popular allowed items."""
    found = np.empty(0, np.int64)
    order = bundle.most_popular
    for start in range(0, len(order), POPULAR_AT_ONCE):
        part = order[start : start + POPULAR_AT_ONCE]
        found = np.concatenate([found, part[allowed[part]]])
        if len(found) >= most:
            break
    else:
        new = np.arange(len(order), len(allowed))
        found = np.concatenate([found, new[allowed[new]]])
    return Ranking.of(found[:most], bundle.popularity.values[found[:most]])


def by_history(bundle: Bundle, known: Rows, weights: Scores, allowed: Mask, most: int) -> Ranking:
    """What a history leads to: items near it by factors and those that its neighbours speak for.

    Where these are many, the best of all are among them, and the trees are asked for the others with less effort.
    """
    vector = weights @ bundle.taste.vectors_of(known)
    learnt = known < bundle.learnt_items
    spoken, added = bundle.factors.beside(known[learnt], weights[learnt])
    kept = allowed[spoken]
    spoken, added = spoken[kept], added[kept]
    wanted = max(most, bundle.settings.candidates)
    nodes = bundle.settings.taste_nodes if len(spoken) >= wanted else None
    near, _ = bundle.taste.search(unit(vector), wanted, allowed, nodes)
    rows = union(near, spoken)
    beside = np.zeros(len(rows), np.float32)
    beside[np.searchsorted(rows, spoken)] = added
    length = max(float(np.linalg.norm(vector)), 1e-9)
    return Ranking.of(rows, ((bundle.taste.scores(rows, vector) + beside) / length).astype(np.float32))


def like_item(bundle: Bundle, row: int, allowed: Mask, most: int) -> Ranking:
    """Items like an item, by taste and by text in equal parts."""
    places = np.array([row])
    wanted = [(kind, unit(kind.vectors_of(places)[0])) for kind in (bundle.text, bundle.taste)]
    near = [kind.search(vector, max(most, bundle.settings.candidates), allowed)[0] for kind, vector in wanted]
    rows = union(*near)
    meaning, taste = (kind.scores(rows, vector) for kind, vector in wanted)
    return Ranking.of(rows, ((meaning + taste) / 2).astype(np.float32), meaning=meaning, taste=taste)


def taste_of(bundle: Bundle, user_id: str | None) -> Scores:
    """What a person's history says of them, (d,); zeros for a person who is not known."""
    known, weights = bundle.histories.of_user(user_id)
    vector: Scores = weights @ bundle.taste.vectors_of(known)
    return vector


def union(*parts: Rows) -> Rows:
    """The rows of any part, in order: of a few thousand this is quicker than NumPy's."""
    rows = np.sort(np.concatenate(parts))
    return rows[np.diff(rows, prepend=-1) > 0]


def unit(vector: Scores) -> Scores:
    """A vector at length 1; zeros stay."""
    return content_map.unit(vector[None])[0]


class CursorError(ValueError):
    """A cursor that no page has given."""


def page(ranking: Ranking, k: int, cursor: str | None, shelf: Shelf) -> tuple[Ranking, str | None]:
    """The next k after a cursor, and the cursor after them where there are more.

    A cursor knows the last item shown and how many were: what was put or removed meanwhile repeats and loses nothing.
    Raises CursorError where it is none.
    """
    start = 0 if cursor is None else _start(ranking, *_read(cursor), shelf)
    shown = ranking.take(slice(start, start + k))
    end = start + len(shown)
    if end >= len(ranking) or not len(shown):
        return shown, None
    last = json.dumps([shelf.id_of(int(shown.rows[-1])), end], ensure_ascii=False)
    return shown, urlsafe_b64encode(last.encode("utf-8", "surrogatepass")).decode()


def _start(ranking: Ranking, item_id: str, shown: int, shelf: Shelf) -> int:
    """Where to go on: after the last item shown; where it is gone, after as many as were shown."""
    found = np.flatnonzero(ranking.rows == shelf.place(item_id))
    return int(found[0]) + 1 if len(found) else max(0, shown - 1)


def _read(cursor: str) -> tuple[str, int]:
    try:
        item_id, shown = json.loads(urlsafe_b64decode(cursor.encode()))
        if isinstance(item_id, str) and isinstance(shown, int) and shown > 0:
            return item_id, shown
    except (ValueError, TypeError):
        pass
    raise CursorError(
        "cursor: no page has given it. Take it from `next` of the answer before, or leave it out."
    )
