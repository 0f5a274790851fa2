"""The data of a search: a query, its parse, and its answer."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from components.query_model.parser import QueryMeaning

SPELLING = "spelling"  # in `ignore` where the user wants the words as they are written
EXCLUSION = "not "  # in `ignore` before a facet whose exclusions the user removed
PRICE = "price"
Sort = Literal["relevance", "price", "-price", "-year"]


@dataclass(frozen=True)
class Query:
    """What a user asks for.

    ignore: names of filters that were read from the text and that the user removed; "not colour" for exclusions.
    filters: values that an item must have, by facet. cursor: `next` of the page before. facets, explain: whether the
    answer has counts of values and the parts of scores.
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

    def apply_to(self, meaning: QueryMeaning) -> QueryMeaning:
        """Return a meaning without what the user removed; a given price counts before one that was read."""
        filters = {name: values for name, values in meaning.filters.items() if name not in self.ignore}
        exclusions = dict(meaning.exclusions)
        for name in meaning.exclusions:
            if f"{EXCLUSION}{name}" in self.ignore:
                del exclusions[name]
        if PRICE in self.ignore:
            meaning = replace(meaning, price_min=None, price_max=None, price_third=None)
        low = meaning.price_min if self.price_min is None else self.price_min
        high = meaning.price_max if self.price_max is None else self.price_max
        # "under 20 euros" with a given lowest price of 30 would leave an empty range: the given price stands alone
        if low is not None and high is not None and low > high:
            low, high = self.price_min, self.price_max
        return replace(meaning, price_min=low, price_max=high, filters=filters, exclusions=exclusions)


@dataclass(frozen=True)
class ParsedQuery:
    """A query with its meaning and its text vector (d,), or the category for which it is blocked."""

    query: Query
    meaning: QueryMeaning
    vector: NDArray[np.float32] | None = None
    blocked: str | None = None


@dataclass(frozen=True)
class Hit:
    """One item of an answer with the reason for it.

    summary: what a language model, `described_by`, wrote of it. explain: the parts of its score, where the query wants
    them.
    """

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
    summary: str | None = None
    described_by: str | None = None
    explain: dict[str, float] | None = None


@dataclass(frozen=True)
class BlockedQuery:
    """The category of harm for which a query is not answered."""

    category: str


@dataclass(frozen=True)
class Answer:
    """Hits in order with the parse of the query, or why it is not answered.

    filters, exclusions: values that items must and must not have, by facet. corrections: corrected words by misspelt
    ones. total: how many items can be paged through. next: the cursor of the next page. facets: how many of the items
    have each value, where the query wants it.
    """

    hits: list[Hit] = field(default_factory=list)
    filters: dict[str, list[str]] = field(default_factory=dict)
    exclusions: dict[str, list[str]] = field(default_factory=dict)
    corrections: dict[str, str] = field(default_factory=dict)
    price_min: float | None = None
    price_max: float | None = None
    blocked: BlockedQuery | None = None
    note: str | None = None
    total: int = 0
    next: str | None = None
    facets: dict[str, dict[str, int]] | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the answer as JSON shows it."""
        return asdict(self)
