"""Answers: search, recommendations for a person, and items like an item; the same for service, pyfunc and CLI."""

from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.bundle.load import Bundle
from components.language.lexical import hybrid
from components.language.understanding import Understanding, understand, within_third

Rows = NDArray[np.int64]
Scores = NDArray[np.float32]
TASTE_WORTH_SAYING = 0.2  # cosine of a person and an item
UNKNOWN = "Nothing is known of this person yet"


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
    category: str | None
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
    on_sale = bundle.shelf.on_sale(meant.price_min, meant.price_max)
    allowed, fits_all = bundle.shelf.fitting(on_sale, meant.filters)
    rows, language = _by_language(bundle, meant.text, allowed, query.k)
    meant = within_third(meant, bundle.shelf.price[rows[np.argsort(-language, kind="stable")]])
    kept = bundle.shelf.on_sale(meant.price_min, meant.price_max)[rows]
    rows, language = rows[kept], language[kept]
    taste = _taste(bundle, rows, query.user_id)
    settings = bundle.settings
    scores = language + settings.taste_weight * taste + settings.popularity_weight * bundle.popularity[rows]
    best = np.argsort(-scores, kind="stable")[: query.k]
    items = bundle.shelf.records(rows[best])
    said = set(bundle.lexical.words(query.text))
    reasons = [
        _why(_matched(bundle, item, meant, said), liked)
        for item, liked in zip(items, taste[best], strict=True)
    ]
    return Answer(
        _hits(items, scores[best], reasons),
        meant.filters,
        meant.price_min,
        meant.price_max,
        note=_note(bundle, query, meant, bool(len(rows)), fits_all),
    )


def browse(bundle: Bundle, query: Query) -> Answer:
    """What an empty query shows: the person's recommendations within the price range, else what is popular."""
    answer = recommend_for_user(bundle, query.user_id, query.k, query.price_min, query.price_max)
    return replace(answer, price_min=query.price_min, price_max=query.price_max)


def recommend_for_user(
    bundle: Bundle,
    user_id: str | None,
    k: int,
    price_min: float | None = None,
    price_max: float | None = None,
) -> Answer:
    """What a person's history leads to and is not in it; what is popular where there is none."""
    allowed = bundle.shelf.on_sale(price_min, price_max)
    known, weights = bundle.histories.of_user(user_id)
    if not len(known):
        rows = np.flatnonzero(allowed)
        rows = rows[np.argsort(-bundle.popularity[rows], kind="stable")][:k]
        note = f"{UNKNOWN}; what is popular is shown." if user_id else None
        hits = _hits(bundle.shelf.records(rows), bundle.popularity[rows], ["Popular"] * len(rows))
        return Answer(hits, note=note if hits else "Nothing fits this price range.")
    allowed[known] = False
    rows, scores = _liked(bundle, known, weights, k, allowed)
    likeness = bundle.factors.matrix[rows] @ bundle.factors.matrix[known].T * weights
    titles = bundle.shelf.items["title"].iloc[known[likeness.argmax(axis=1)]]
    reasons = [f"Fits your taste, such as {title}" for title in titles]
    hits = _hits(bundle.shelf.records(rows), scores, reasons)
    return Answer(hits, note=None if hits else "Nothing new fits this price range.")


def _liked(
    bundle: Bundle, known: Rows, weights: Scores, k: int, allowed: NDArray[np.bool_]
) -> tuple[Rows, Scores]:
    """The k best allowed rows for a history: those near it by factors and those that its neighbours speak for."""
    vector = weights @ bundle.factors.matrix[known]
    near, _ = bundle.taste.search(_unit(vector), max(k, bundle.settings.candidates), allowed)
    beside = bundle.factors.beside(known, weights)
    rows = np.union1d(near, np.flatnonzero(allowed & (beside > 0)))
    scores = (bundle.factors.matrix[rows] @ vector + beside[rows]) / max(float(np.linalg.norm(vector)), 1e-9)
    best = np.argsort(-scores, kind="stable")[:k]
    return rows[best], scores[best]


def recommend_like_item(bundle: Bundle, item_id: str, k: int) -> Answer:
    """Items like an item, by taste and by text in equal parts.

    Raises KeyError where there is no such item.
    """
    row = bundle.factors.rows[item_id]
    allowed = bundle.shelf.on_sale()
    allowed[row] = False
    candidates = max(k, bundle.settings.candidates)
    kinds = (bundle.text, bundle.taste)
    near = [kind.search(kind.vectors[row], candidates, allowed)[0] for kind in kinds]
    rows = np.unique(np.concatenate(near))
    scores = np.mean([kind.vectors[rows] @ _unit(kind.vectors[row]) for kind in kinds], axis=0)
    best = np.argsort(-scores, kind="stable")[:k]
    why = f"Like {bundle.shelf.items['title'].iloc[row]}"
    return Answer(_hits(bundle.shelf.records(rows[best]), scores[best], [why] * len(best)))


def _without(meant: Understanding, query: Query) -> Understanding:
    """What was understood, less what the person took away; a given price range counts before one that was read."""
    filters = {name: values for name, values in meant.filters.items() if name not in query.ignore}
    read = "price" not in query.ignore
    low = query.price_min if query.price_min is not None else meant.price_min if read else None
    high = query.price_max if query.price_max is not None else meant.price_max if read else None
    if low is not None and high is not None and low > high:
        low, high = query.price_min, query.price_max
    third = meant.price_third if read else None
    return replace(meant, price_min=low, price_max=high, filters=filters, price_third=third)


def _by_language(bundle: Bundle, text: str, allowed: NDArray[np.bool_], k: int) -> tuple[Rows, Scores]:
    """Candidates by vectors and by words, with their mixed score."""
    vector = bundle.encoder.encode([text])[0]
    candidates = max(k, bundle.settings.candidates)
    near, _ = bundle.text.search(vector, candidates, allowed)
    words = bundle.lexical.scores(text)
    worded = np.flatnonzero(allowed & (words > 0))
    worded = worded[np.argsort(-words[worded], kind="stable")][:candidates]
    rows = np.unique(np.concatenate([near, worded]))
    if not len(rows):
        return rows, np.zeros(0, dtype=np.float32)
    return rows, hybrid(words[rows], bundle.text.vectors[rows] @ vector, bundle.lexical_weight)


def _taste(bundle: Bundle, rows: Rows, user_id: str | None) -> Scores:
    """How near a person's taste the items of some rows are: cosines, 0 for a person who is not known."""
    known, weights = bundle.histories.of_user(user_id)
    return bundle.factors.matrix[rows] @ _unit(weights @ bundle.factors.matrix[known])


def _unit(vector: Scores) -> Scores:
    """A vector at length 1; zeros stay."""
    return (vector / max(float(np.linalg.norm(vector)), 1e-9)).astype(np.float32)


def _note(bundle: Bundle, query: Query, meant: Understanding, found: bool, fits_all: bool) -> str | None:
    """What a person should know of an answer besides its hits."""
    if not found:
        return "Nothing fits this price range."
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


def _matched(bundle: Bundle, item: dict[str, Any], meant: Understanding, said: set[str]) -> list[str]:
    """The attribute values of an item that were understood, or whose words all stand in the query."""
    return [
        value
        for name, values in item["attributes"].items()
        for value in values
        if value in meant.filters.get(name, []) or said.issuperset(bundle.lexical.words(value) or [value])
    ]


def _why(matched: list[str], taste: float) -> str:
    reasons = [f"Matches {', '.join(matched)}" if matched else "Matches what you wrote"]
    if taste > TASTE_WORTH_SAYING:
        reasons.append("fits your taste")
    return " · ".join(reasons)


def _hits(items: list[dict[str, Any]], scores: Scores, reasons: list[str]) -> list[Hit]:
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
            round(float(score), 4),
            why,
        )
        for item, score, why in zip(items, scores, reasons, strict=True)
    ]
