"""What a person asks for, and what is understood of it before any item is looked at."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from components.bundle.load import Bundle, Text
from components.ethics.filter import Verdict
from components.language.spelling import respelt
from components.language.understanding import Understanding, understand

SPELLING = "spelling"  # what a person takes away who means a word as it is written
REFUSED = "not "  # stands before a facet whose values are not wanted, where a person takes that away
Sort = Literal["relevance", "price", "-price", "-year"]


@dataclass(frozen=True)
class Query:
    """What a person asks for.

    ignore: names of understood filters that the person took away, "not colour" for colours that were refused. filters:
    values that an item must have, by facet. cursor: where the page before ended, as that page said. facets, explain:
    whether counts of values and the parts of scores are wanted.
    """

    text: str
    user_id: str | None = None
    price_min: float | None = None
    price_max: float | None = None
    k: int = 12
    ignore: tuple[str, ...] = ()
    filters: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    sort: Sort = "relevance"
    cursor: str | None = None
    facets: bool = False
    explain: bool = False


@dataclass(frozen=True)
class Question:
    """A query with its text vector (d,) and what it means, or the category for which it is not answered."""

    query: Query
    meant: Understanding
    vector: NDArray[np.float32] | None = None
    blocked: str | None = None


def ask(bundle: Bundle, query: Query) -> Question:
    """Judge and understand a query and encode it: the slow part of an answer, which needs no item."""
    if not query.text.strip():
        return Question(query, Understanding("", query.price_min, query.price_max))
    text = _known(bundle, query)
    if text is None:
        text, verdict = _read(bundle, query)
        if verdict.blocked:
            return Question(query, Understanding(query.text), blocked=str(verdict.category))
        bundle.texts.keep(_key(query), text)
    return Question(query, _without(text.meant, query), text.vector)


def is_quick(bundle: Bundle, query: Query) -> bool:
    """Whether asking takes no time, as the text was asked before or there is none."""
    return not query.text.strip() or _known(bundle, query) is not None


def _read(bundle: Bundle, query: Query) -> tuple[Text, Verdict]:
    """What a text means, misspelt words read as what they may mean, and the filter's verdict.

    What is searched is judged too: search leaves out words that could hide a request, such as refused colours. All of
    it is encoded at once, and where it says the same, once.
    """
    vocabulary = bundle.vocabulary  # may be another one when the text is encoded
    spelt = {} if SPELLING in query.ignore else bundle.words.misspelt(query.text)
    meant = replace(understand(respelt(query.text, spelt), vocabulary), spelt=spelt)
    readings = [*bundle.ethics.readings(query.text, bundle.encoder), meant.text]
    spans = bundle.encoder.encode_spans(readings, bundle.ethics.window_tokens)
    verdict = bundle.ethics.log(query.text, bundle.ethics.verdict(readings, spans))
    return Text(meant, spans[-1][0], vocabulary), verdict


def _key(query: Query) -> tuple[str, bool]:
    return query.text, SPELLING in query.ignore


def _known(bundle: Bundle, query: Query) -> Text | None:
    """What is known of a text; nothing where the catalogue has learnt new values or one of its odd words since."""
    known = bundle.texts.get(_key(query))
    if known is None or known.vocabulary is not bundle.vocabulary:
        return None
    return None if any(map(bundle.words.has, known.meant.spelt)) else known


def _without(meant: Understanding, query: Query) -> Understanding:
    """What was understood, less what the person took away; a given price range counts before one that was read."""
    filters = {name: values for name, values in meant.filters.items() if name not in query.ignore}
    without = {
        name: values for name, values in meant.without.items() if f"{REFUSED}{name}" not in query.ignore
    }
    read = "price" not in query.ignore
    low = query.price_min if query.price_min is not None else meant.price_min if read else None
    high = query.price_max if query.price_max is not None else meant.price_max if read else None
    if low is not None and high is not None and low > high:
        low, high = query.price_min, query.price_max
    third = meant.price_third if read else None
    return replace(meant, price_min=low, price_max=high, filters=filters, without=without, price_third=third)
