"""Parse what a query says besides its topic: prices, attribute values of the catalogue, and its recipients."""

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from components.query_model.attribute_values import find_values
from components.query_model.audiences import SOMEBODY
from components.query_model.bystanders import WHOSE
from components.query_model.prices import Third, read_prices
from components.query_model.recipients import find_recipients, label_audiences
from components.query_model.vocabulary import AUDIENCE, Vocabulary
from components.search.item_text import contains_phrase, normalize_text, remove_spans, strip_markup

EVERYBODY = re.compile(r"(?i)\b(?:unisex|everyone|everybody|all|family)\b")
RECIPIENT = re.compile(
    rf"\b(?:for|to|from|of)\s+(?:{WHOSE}\s+(?:[\w-]+\s+)?)?{SOMEBODY}(?:['’]?s|s['’])?(?:[- ]in[- ]law)?(?![\w'’-])",
    re.I,
)
TOP_MATCHES = 12  # whose prices say what is cheap among what matches


@dataclass(frozen=True)
class QueryMeaning:
    """The price range and the filters of a query, and the rest of its text.

    exclusions: unwanted values, by facet. corrections: the words that replace misspelt ones. price_third: the wanted third
    of the prices of the matches. other_currency: the currency of a price that is not used, since the catalogue's prices
    are in another.
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
    """Return the prices, seasons, recipients and values of a query that this catalogue can be filtered by.

    A recipient that became a filter is cut from the text: "swimwear for my sons" becomes swimwear.
    """
    plain = normalize_text(strip_markup(query))
    meant = _parse_prices(plain, vocabulary) if vocabulary.prices else QueryMeaning(plain)
    found: defaultdict[str, set[str]] = defaultdict(set)
    refused: defaultdict[str, set[str]] = defaultdict(set)
    mentions = list(find_values(meant.text, vocabulary))
    for mention in mentions:
        target = refused if mention.refused else found
        for name, value in mention.values:
            target[name].add(value)
    if labels := vocabulary.values.get(AUDIENCE):
        _add_audiences(meant.text, labels, found, refused)
    for name, values in found.items():
        refused[name] -= values  # a value that is both wanted and refused is wanted
    spans = [(mention.start, mention.end) for mention in mentions if mention.refused]
    if found.get(AUDIENCE):
        spans += [recipient.span() for recipient in RECIPIENT.finditer(meant.text)]
    text = remove_spans(meant.text, spans)
    return replace(meant, text=text or query, filters=_sort_values(found), exclusions=_sort_values(refused))


def _add_audiences(
    query: str, labels: frozenset[str], found: dict[str, set[str]], refused: dict[str, set[str]]
) -> None:
    """Add the catalogue's labels of the audiences that a query is for, and of those that it is not for.

    A label of several words that stands in the query is taken literally. A person who is merely named, as in the title of
    a book, counts only if the catalogue has a label for exactly that audience.
    """
    if literal := {label for label in labels if " " in label and contains_phrase(query, label)}:
        found[AUDIENCE].update(literal)
        return
    whom = find_recipients(query)
    for label in labels:
        meant_by = label_audiences(label)
        if (meant_by and meant_by <= whom.wanted) or (whom.certain and not whom.wanted.isdisjoint(meant_by)):
            found[AUDIENCE].add(label)
        elif meant_by and meant_by <= whom.unwanted:
            refused[AUDIENCE].add(label)
    if found[AUDIENCE]:
        # Things for everybody fit each recipient
        found[AUDIENCE].update(filter(EVERYBODY.search, labels))


def limit_to_third(meant: QueryMeaning, prices: NDArray[np.float64]) -> QueryMeaning:
    """Return a meaning whose price range is limited to the wanted third of the prices of the matches.

    prices: of the matches, best first, NaN without a price; the first TOP_MATCHES count. A narrower range in the query
    stays as it is.
    """
    known = prices[:TOP_MATCHES][~np.isnan(prices[:TOP_MATCHES])]
    if meant.price_third is None or not len(known):
        return meant
    if meant.price_third == "lower":
        limit = float(np.quantile(known, 1 / 3, method="inverted_cdf"))
        return replace(meant, price_max=limit if meant.price_max is None else min(meant.price_max, limit))
    limit = float(np.quantile(known, 2 / 3, method="inverted_cdf"))
    return replace(meant, price_min=limit if meant.price_min is None else max(meant.price_min, limit))


def _sort_values(found: Mapping[str, set[str]]) -> dict[str, list[str]]:
    """Return names and values in alphabetical order, without names that have no value."""
    return {name: sorted(values) for name, values in sorted(found.items()) if values}


def _parse_prices(query: str, vocabulary: Vocabulary) -> QueryMeaning:
    """Return the prices of a query and the rest of its text; a price in another currency is not used."""
    assert vocabulary.prices
    text, prices = read_prices(query, vocabulary.prices, vocabulary.currency)
    if prices.currency and vocabulary.currency not in (None, prices.currency):
        return QueryMeaning(text, price_third=prices.third, other_currency=prices.currency)
    return QueryMeaning(text, prices.low, prices.high, price_third=prices.third)
