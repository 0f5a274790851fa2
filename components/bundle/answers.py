"""Answers: search, recommendations for a person, and items like an item; the same for service, pyfunc and CLI."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.bundle.load import Bundle
from components.bundle.question import Query, Question, ask
from components.bundle.ranking import (
    Mask,
    Ranking,
    by_history,
    by_language,
    by_popularity,
    like_item,
    page,
)
from components.bundle.shelf import facets_of
from components.language.understanding import Understanding

Rows = NDArray[np.int64]
Items = Sequence[dict[str, Any]]
TASTE_WORTH_SAYING = 0.2  # cosine of a person and an item
UNKNOWN = "Nothing is known of this person yet"


@dataclass(frozen=True)
class Hit:
    """One item of an answer, and why it is there; explain: the parts of its score, where they were asked for."""

    item_id: str
    title: str
    text: str
    category: str | None
    price: float | None
    price_original: float | None
    currency: str | None
    image: str | None
    attributes: dict[str, list[str]]
    score: float
    why: str
    explain: dict[str, float] | None = None


@dataclass(frozen=True)
class Blocked:
    """Why a query is not answered."""

    category: str


@dataclass(frozen=True)
class Answer:
    """Hits in order, what was understood, or why there are none.

    without: values that are not wanted. spelt: misspelt words, with those that are read instead. total: how many items
    can be paged through. next: the cursor of the page after this. facets: how many of them have each value, where that
    was asked for.
    """

    hits: list[Hit] = field(default_factory=list)
    understood: dict[str, list[str]] = field(default_factory=dict)
    without: dict[str, list[str]] = field(default_factory=dict)
    spelt: dict[str, str] = field(default_factory=dict)
    price_min: float | None = None
    price_max: float | None = None
    blocked: Blocked | None = None
    note: str | None = None
    total: int = 0
    next: str | None = None
    facets: dict[str, dict[str, int]] | None = None

    def as_dict(self) -> dict[str, Any]:
        """As JSON shows it."""
        return asdict(self)


def search(bundle: Bundle, query: Query) -> Answer:
    """Rank items by language, taste and popularity within what the query says; nothing for a banned query."""
    return answer(bundle, ask(bundle, query))


@dataclass(frozen=True)
class Found:
    """All that answers a question, what was meant, a note, and what says of some items why they are there."""

    ranking: Ranking
    meant: Understanding
    note: str | None
    reasons: Callable[[Items, Ranking], list[str]]


def answer(bundle: Bundle, question: Question) -> Answer:
    """Answer what was asked; without words, by what is known of the person."""
    query = question.query
    if question.blocked:
        return Answer(blocked=Blocked(question.blocked), note="This query is not answered.")
    found = (_for_person if question.vector is None else _for_text)(bundle, question)
    shown, onward = page(found.ranking.sorted(bundle, query.sort), query.k, query.cursor, bundle.shelf)
    items = bundle.shelf.records(shown.rows)
    return Answer(
        _hits(items, shown, found.reasons(items, shown), query.explain),
        found.meant.filters,
        found.meant.without,
        found.meant.spelt,
        found.meant.price_min,
        found.meant.price_max,
        note=found.note,
        total=len(found.ranking),
        next=onward,
        facets=count_facets(bundle, found.ranking) if query.facets else None,
    )


def recommend_for_user(bundle: Bundle, user_id: str, k: int, cursor: str | None = None) -> Answer:
    """What a person's history leads to and is not in it; what is popular where there is none."""
    return search(bundle, Query("", user_id, k=k, cursor=cursor))


def recommend_for_session(bundle: Bundle, item_ids: Sequence[str], k: int) -> Answer:
    """What a session's items lead to, the latest counting most; items that are not there say nothing."""
    found = [bundle.shelf.row_of(item) for item in item_ids]
    known = np.array(list(dict.fromkeys(row for row in reversed(found) if row is not None)), np.int64)
    allowed = bundle.shelf.on_sale()
    if not len(known):
        note = "None of these items is known; what is popular is shown."
        ranking = by_popularity(bundle, allowed, k)
        return _whole(bundle, ranking, ["Popular"] * len(ranking), note)
    allowed[known] = False
    weights = (1 / np.sqrt(1 + np.arange(len(known)))).astype(np.float32)
    ranking = by_history(bundle, known, weights, allowed, k).take(slice(k))
    return _whole(bundle, ranking, _because(bundle, known, weights, ranking))


def recommend_like_item(bundle: Bundle, item_id: str, k: int) -> Answer:
    """Items like an item, by taste and by text in equal parts.

    Raises KeyError where there is no such item.
    """
    row = bundle.shelf.row_of(item_id)
    if row is None:
        raise KeyError(item_id)
    allowed = bundle.shelf.on_sale()
    allowed[row] = False
    ranking = like_item(bundle, row, allowed, k).take(slice(k))
    why = f"Like {bundle.shelf.titles(np.array([row]))[0]}"
    return _whole(bundle, ranking, [why] * len(ranking))


def _whole(bundle: Bundle, ranking: Ranking, reasons: Sequence[str], note: str | None = None) -> Answer:
    """An answer that has no further page."""
    hits = _hits(bundle.shelf.records(ranking.rows), ranking, reasons)
    return Answer(hits, note=note, total=len(hits))


def count_facets(bundle: Bundle, ranking: Ranking) -> dict[str, dict[str, int]]:
    """How many items of a ranking have each value of each facet, the most frequent first."""
    counts: dict[str, Counter[str]] = {}
    for item in bundle.shelf.rows_as_put(ranking.rows):
        for name, values in facets_of(item).items():
            counts.setdefault(name, Counter()).update(values)
    return {
        name: dict(sorted(found.items(), key=lambda pair: (-pair[1], pair[0])))
        for name, found in sorted(counts.items())
    }


def _allowed(bundle: Bundle, question: Question) -> Mask:
    """What is on sale within the price range, has what was chosen, and has nothing that is not wanted."""
    allowed = bundle.shelf.on_sale(question.meant.price_min, question.meant.price_max)
    for name, unwanted in question.meant.without.items():
        allowed &= bundle.shelf.lacking(name, unwanted)
    for name, values in question.query.filters.items():
        allowed &= bundle.shelf.having(name, values)
    return allowed


def _for_person(bundle: Bundle, question: Question) -> Found:
    """What an empty query shows."""
    user_id, allowed = question.query.user_id, _allowed(bundle, question)
    known, weights = bundle.histories.of_user(user_id)
    if not len(known):
        ranking = by_popularity(bundle, allowed, bundle.settings.candidates)
        note = f"{UNKNOWN}; what is popular is shown." if user_id else None
        empty = None if len(ranking) else "Nothing fits this price range."
        return Found(ranking, question.meant, empty or note, lambda items, _: ["Popular"] * len(items))
    allowed[known] = False
    ranking = by_history(bundle, known, weights, allowed, bundle.settings.candidates)
    note = None if len(ranking) else "Nothing new fits this price range."
    return Found(ranking, question.meant, note, lambda _, shown: _because(bundle, known, weights, shown))


def _for_text(bundle: Bundle, question: Question) -> Found:
    """What a text finds."""
    allowed, fits_all = bundle.shelf.fitting(_allowed(bundle, question), question.meant.filters)
    ranking, meant = by_language(bundle, question, allowed)
    note = _note(bundle, question, bool(len(ranking)), fits_all)
    return Found(ranking, meant, note, lambda items, shown: _matches(bundle, question, items, shown))


def _because(bundle: Bundle, known: Rows, weights: NDArray[np.float32], shown: Ranking) -> list[str]:
    """Which item of a history speaks most for each item shown."""
    if not len(shown):
        return []
    likeness = bundle.taste.vectors_of(shown.rows) @ bundle.taste.vectors_of(known).T * weights
    titles = bundle.shelf.titles(known[likeness.argmax(axis=1)])
    return [f"Fits your taste, such as {title}" for title in titles]


def _note(bundle: Bundle, question: Question, found: bool, fits_all: bool) -> str | None:
    """What a person should know of an answer besides its hits."""
    query, meant = question.query, question.meant
    if not found:
        return (
            "Nothing fits these filters."
            if query.filters or meant.without
            else "Nothing fits this price range."
        )
    if not fits_all:
        wanted = ", ".join(value for values in meant.filters.values() for value in values)
        return f"Nothing here fits all of it: {wanted}. The nearest are shown."
    if meant.other_currency:
        return (
            f"Prices are in {bundle.vocabulary.currency} here; the one in {meant.other_currency} is not used."
        )
    if query.user_id and not len(bundle.histories.of_user(query.user_id)[0]):
        return f"{UNKNOWN}; the answer is the same for everyone."
    return None


def _matches(bundle: Bundle, question: Question, items: Items, shown: Ranking) -> list[str]:
    """Why items fit a text: the values that it names, and the person's taste."""
    said = bundle.words.query_words(question.meant.text)
    return [
        _why(_matched(bundle, item, question, said), liked)
        for item, liked in zip(items, shown.parts["taste"], strict=True)
    ]


def _matched(bundle: Bundle, item: dict[str, Any], question: Question, said: set[str]) -> list[str]:
    """The attribute values of an item that were understood, or whose words all stand in the query."""
    return [
        value
        for name, values in item["attributes"].items()
        for value in values
        if value in question.meant.filters.get(name, [])
        or said.issuperset(bundle.words.words(value) or [value])
    ]


def _why(matched: list[str], taste: float) -> str:
    reasons = [f"Matches {', '.join(matched)}" if matched else "Matches what you wrote"]
    if taste > TASTE_WORTH_SAYING:
        reasons.append("fits your taste")
    return " · ".join(reasons)


def _hits(items: Items, shown: Ranking, reasons: Sequence[str], explain: bool = False) -> list[Hit]:
    """Items as an answer shows them."""
    return [
        Hit(
            item["item_id"],
            item["title"],
            item["text"] or "",
            item["category"],
            item["price"],
            item["price_original"],
            item["currency"],
            item["image"],
            item["attributes"] | ({"year": [str(item["year"])]} if item["year"] else {}),
            round(float(shown.scores[place]), 4),
            why,
            {name: round(float(part[place]), 4) for name, part in shown.parts.items()} if explain else None,
        )
        for place, (item, why) in enumerate(zip(items, reasons, strict=True))
    ]
