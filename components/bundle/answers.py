"""Answers: search, recommendations for a person, and items like an item; the same for service, pyfunc and CLI."""

from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from components.bundle.load import Bundle
from components.language.lexical import hybrid
from components.language.understanding import Understanding, understand

Mask = NDArray[np.bool_]
Scores = NDArray[np.float32]
LEXICAL_DEFAULT = 0.3
FITS_ALWAYS = {"season": "all year"}


@dataclass(frozen=True)
class Query:
    """What a person asks for; `ignore` names understood filters that the person took away."""

    text: str
    user_id: str | None = None
    price_min: float | None = None
    price_max: float | None = None
    k: int = 12
    ignore: tuple[str, ...] = ()


@dataclass(frozen=True)
class Hit:
    """One item of an answer, and why it is there."""

    item_id: str
    title: str
    text: str
    price: float | None
    price_original: float | None
    currency: str | None
    image: str | None
    attributes: dict[str, list[str]]
    score: float
    why: str


@dataclass(frozen=True)
class Blocked:
    """Why a query is not answered."""

    category: str


@dataclass(frozen=True)
class Answer:
    """Hits in order, what was understood, or why there are none."""

    hits: list[Hit] = field(default_factory=list)
    understood: dict[str, list[str]] = field(default_factory=dict)
    price_min: float | None = None
    price_max: float | None = None
    blocked: Blocked | None = None
    note: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """As JSON shows it."""
        return asdict(self)


def search(bundle: Bundle, query: Query) -> Answer:
    """Rank items by language, taste and popularity within what the query says; nothing for a banned query."""
    if not query.text.strip():
        return browse(bundle, query)
    verdict = bundle.ethics.judge(query.text, bundle.encoder)
    if verdict.blocked:
        return Answer(blocked=Blocked(str(verdict.category)), note="This query is not answered.")
    meant = _without(understand(query.text, bundle.vocabulary), query)
    allowed = _allowed(bundle, meant)
    note = None
    if not allowed.any() and meant.filters:
        note = "Nothing fits everything that was understood; the nearest are shown."
        meant = replace(meant, filters={})
        allowed = _allowed(bundle, meant)
    rows, language = _by_language(bundle, query.text, allowed)
    scores, taste = _with_taste(bundle, rows, language, query.user_id)
    order = np.argsort(-scores, kind="stable")[: query.k]
    hits = [
        _hit(bundle, int(rows[n]), float(scores[n]), _why(bundle, int(rows[n]), meant, float(taste[n])))
        for n in order
    ]
    return Answer(
        hits,
        meant.filters,
        meant.price_min,
        meant.price_max,
        note=note or (None if hits else "Nothing fits."),
    )


def browse(bundle: Bundle, query: Query) -> Answer:
    """What an empty query shows: the person's recommendations within the price range, else what is popular."""
    allowed = _allowed(bundle, Understanding("", query.price_min, query.price_max))
    return _for_user(bundle, query.user_id, query.k, allowed)


def recommend_for_user(bundle: Bundle, user_id: str, k: int) -> Answer:
    """What a person's history leads to; what is popular where there is none."""
    return _for_user(bundle, user_id, k, _allowed(bundle, Understanding("")))


def recommend_like_item(bundle: Bundle, item_id: str, k: int) -> Answer:
    """Items like an item, by taste and by text in equal parts.

    Raises KeyError where there is no such item.
    """
    row = bundle.factors.rows[item_id]
    allowed = _allowed(bundle, Understanding(""))
    allowed[row] = False
    rows, text = bundle.text.search(bundle.text.vectors[row], bundle.settings.candidates, allowed)
    near, _ = bundle.taste.search(bundle.taste.vectors[row], bundle.settings.candidates, allowed)
    rows = np.unique(np.concatenate([rows, near]))
    text = bundle.text.vectors[rows] @ bundle.text.vectors[row]
    taste = bundle.taste.vectors[rows] @ bundle.taste.vectors[row]
    scores = (text + taste) / 2
    order = np.argsort(-scores, kind="stable")[:k]
    return Answer(
        [
            _hit(bundle, int(rows[n]), float(scores[n]), f"Like {bundle.items['title'].iloc[row]}")
            for n in order
        ]
    )


def _without(meant: Understanding, query: Query) -> Understanding:
    """What was understood, less what the person took away; a given price range counts before one that was read."""
    filters = {name: values for name, values in meant.filters.items() if name not in query.ignore}
    read = "price" not in query.ignore
    low = query.price_min if query.price_min is not None else meant.price_min if read else None
    high = query.price_max if query.price_max is not None else meant.price_max if read else None
    return Understanding(meant.text, low, high, filters)


def _allowed(bundle: Bundle, meant: Understanding) -> Mask:
    """Available items within the price range and the filters (i,)."""
    allowed = bundle.items["available"].to_numpy(dtype=bool).copy()
    price = bundle.items["price"].to_numpy(dtype=float)
    if meant.price_min is not None:
        allowed &= price >= meant.price_min
    if meant.price_max is not None:
        allowed &= price <= meant.price_max
    for name, values in meant.filters.items():
        wanted = {*values, FITS_ALWAYS.get(name, "")}
        allowed &= np.array(
            [not wanted.isdisjoint(_values(bundle, row, name)) for row in range(len(allowed))], dtype=bool
        )
    return allowed


def _values(bundle: Bundle, row: int, name: str) -> list[str]:
    if name == "brand":
        return [str(bundle.items["brand"].iloc[row])]
    return bundle.attributes[row].get(name, [])


def _by_language(bundle: Bundle, text: str, allowed: Mask) -> tuple[NDArray[np.int64], Scores]:
    """Candidates by vectors and by words, with their mixed score."""
    vector = bundle.encoder.encode([text])[0]
    near, _ = bundle.text.search(vector, bundle.settings.candidates, allowed)
    words = bundle.lexical.scores(text)
    worded = np.flatnonzero(allowed & (words > 0))
    worded = worded[np.argsort(-words[worded], kind="stable")][: bundle.settings.candidates]
    rows = np.unique(np.concatenate([near, worded]))
    weight = float(bundle.manifest["metrics"].get("search.hybrid_weight", LEXICAL_DEFAULT))
    if not len(rows):
        return rows, np.zeros(0, dtype=np.float32)
    return rows, hybrid(words[rows], bundle.text.vectors[rows] @ vector, weight)


def _with_taste(
    bundle: Bundle, rows: NDArray[np.int64], language: Scores, user_id: str | None
) -> tuple[Scores, Scores]:
    """Add taste and popularity to language; returns the sum and the taste part."""
    taste = np.zeros(len(rows), dtype=np.float32)
    history = bundle.histories.get(user_id or "", [])
    if history and len(rows):
        vector = bundle.factors.user_vector(history)
        vector = vector / max(float(np.linalg.norm(vector)), 1e-9)
        taste = (bundle.factors.matrix[rows] @ vector).astype(np.float32)
    settings = bundle.settings
    mixed: Scores = (
        language + settings.taste_weight * taste + settings.popularity_weight * bundle.popularity[rows]
    )
    return mixed, taste


def _for_user(bundle: Bundle, user_id: str | None, k: int, allowed: Mask) -> Answer:
    history = bundle.histories.get(user_id or "", [])
    known = [bundle.factors.rows[item] for item in history if item in bundle.factors.rows]
    allowed[known] = False
    if known:
        rows, scores = bundle.taste.search(bundle.factors.user_vector(history), k, allowed)
        last = str(bundle.items["title"].iloc[known[-1]])
        return Answer(
            [
                _hit(bundle, int(r), float(s), f"Fits your taste, such as {last}")
                for r, s in zip(rows, scores, strict=True)
            ]
        )
    rows = np.flatnonzero(allowed)
    rows = rows[np.argsort(-bundle.popularity[rows], kind="stable")][:k]
    note = "Nothing is known of this person yet; what is popular is shown." if user_id else None
    return Answer(
        [_hit(bundle, int(row), float(bundle.popularity[row]), "Popular") for row in rows], note=note
    )


def _why(bundle: Bundle, row: int, meant: Understanding, taste: float) -> str:
    matched = [
        value
        for name, values in meant.filters.items()
        for value in values
        if value in _values(bundle, row, name)
    ]
    reasons = [f"Matches {', '.join(matched)}" if matched else "Matches what you wrote"]
    if taste > 0.2:
        reasons.append("fits your taste")
    return " · ".join(reasons)


def _hit(bundle: Bundle, row: int, score: float, why: str) -> Hit:
    item = bundle.items.iloc[row]

    def given(name: str) -> Any:
        return None if pd.isna(item[name]) else item[name]

    price, struck = given("price"), given("price_original")
    attributes = dict(bundle.attributes[row])
    if given("brand"):
        attributes["brand"] = [str(item["brand"])]
    if given("year") is not None:
        attributes["year"] = [str(item["year"])]
    return Hit(
        str(item["item_id"]),
        str(item["title"]),
        str(item["text"]),
        None if price is None else float(price),
        None if struck is None else float(struck),
        given("currency"),
        given("image"),
        attributes,
        round(score, 6),
        why,
    )
