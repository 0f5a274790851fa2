"""What a query says besides its topic: prices, attribute values of the catalogue, and for whom it is."""

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from components.query_model.attribute_values import values_in
from components.query_model.audiences import SOMEBODY
from components.query_model.bystanders import WHOSE
from components.query_model.prices import Third, read_prices
from components.query_model.recipients import audiences_of, for_whom
from components.query_model.vocabulary import AUDIENCE, Vocabulary
from components.search.item_text import as_shown, cut, says, tidy

EVERYBODY = re.compile(r"(?i)\b(?:unisex|everyone|everybody|all|family)\b")
RECIPIENT = re.compile(
    rf"\b(?:for|to|from|of)\s+(?:{WHOSE}\s+(?:[\w-]+\s+)?)?{SOMEBODY}(?:['’]?s|s['’])?(?:[- ]in[- ]law)?(?![\w'’-])",
    re.I,
)
MATCHES = 12


@dataclass(frozen=True)
class QueryMeaning:
    """A query's price range and filters, with what is left as its text.

    exclusions: values that are not wanted, by facet. corrections: words that are read instead of misspelt ones.
    price_third: which third of the prices of what matches is wanted. other_currency: that of a price which is not used, since this catalogue's prices are in another.
    """

    text: str
    price_min: float | None = None
    price_max: float | None = None
    filters: dict[str, list[str]] = field(default_factory=dict)
    exclusions: dict[str, list[str]] = field(default_factory=dict)
    corrections: dict[str, str] = field(default_factory=dict)
    price_third: Third | None = None
    other_currency: str | None = None


def parse_text(query: str, vocabulary: Vocabulary) -> QueryMeaning:
    """Read prices, seasons, recipients and values that this catalogue can be filtered by.

    What is filtered by for whom it is need not be looked for: "swimwear for my sons" is swimwear.
    """
    plain = tidy(as_shown(query))
    meant = _priced(plain, vocabulary) if vocabulary.prices else QueryMeaning(plain)
    found: defaultdict[str, set[str]] = defaultdict(set)
    refused: defaultdict[str, set[str]] = defaultdict(set)
    named = list(values_in(meant.text, vocabulary))
    for said in named:
        for name, value in said.values:
            (refused if said.refused else found)[name].add(value)
    if labels := vocabulary.values.get(AUDIENCE):
        _add_audiences(meant.text, labels, found, refused)
    for name, values in found.items():
        refused[name] -= values
    spans = [(said.start, said.end) for said in named if said.refused]
    if found.get(AUDIENCE):
        spans += [recipient.span() for recipient in RECIPIENT.finditer(meant.text)]
    text = cut(meant.text, spans)
    return replace(meant, text=text or query, filters=_in_order(found), exclusions=_in_order(refused))


def _add_audiences(
    query: str, labels: frozenset[str], found: dict[str, set[str]], refused: dict[str, set[str]]
) -> None:
    """The catalogue's own words for whom a query is for, and for whom it is not.

    A label of several words that stands in the query is meant itself. Somebody who is merely named, as in the title of
    a book, counts only where the catalogue has a word for just that.
    """
    if literal := {label for label in labels if " " in label and says(query, label)}:
        found[AUDIENCE].update(literal)
        return
    whom = for_whom(query)
    for label in labels:
        meant_by = audiences_of(label)
        if (meant_by and meant_by <= whom.wanted) or (whom.certain and not whom.wanted.isdisjoint(meant_by)):
            found[AUDIENCE].add(label)
        elif meant_by and meant_by <= whom.unwanted:
            refused[AUDIENCE].add(label)
    if found[AUDIENCE]:
        found[AUDIENCE].update(label for label in labels if EVERYBODY.search(label))


def within_third(meant: QueryMeaning, prices: NDArray[np.float64]) -> QueryMeaning:
    """What was understood, with the price range of the wanted third of what matches.

    prices: of what matches, best first, NaN where there is none; the first MATCHES count. A range that the query names
    stays where it is narrower.
    """
    known = prices[:MATCHES][~np.isnan(prices[:MATCHES])]
    if meant.price_third is None or not len(known):
        return meant
    if meant.price_third == "lower":
        limit = float(np.quantile(known, 1 / 3, method="inverted_cdf"))
        return replace(meant, price_max=limit if meant.price_max is None else min(meant.price_max, limit))
    limit = float(np.quantile(known, 2 / 3, method="inverted_cdf"))
    return replace(meant, price_min=limit if meant.price_min is None else max(meant.price_min, limit))


def _in_order(found: Mapping[str, set[str]]) -> dict[str, list[str]]:
    return {name: sorted(values) for name, values in sorted(found.items()) if values}


def _priced(query: str, vocabulary: Vocabulary) -> QueryMeaning:
    """The query without what it says of prices, and that; a price in another currency is not used."""
    assert vocabulary.prices
    text, prices = read_prices(query, vocabulary.prices, vocabulary.currency)
    if prices.currency and vocabulary.currency not in (None, prices.currency):
        return QueryMeaning(text, price_third=prices.third, other_currency=prices.currency)
    return QueryMeaning(text, prices.low, prices.high, price_third=prices.third)
