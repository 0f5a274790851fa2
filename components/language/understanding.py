"""What a query says besides its topic: prices, attribute values of the catalogue, and for whom it is."""

import html
import json
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from components.language.people import audiences_of, for_whom
from components.language.prices import Third, read_prices
from components.language.text import attributes_of, says

SEASONS = {
    "summer": ("summer", "summery", "summertime", "beach"),
    "winter": ("winter", "wintry", "snow", "skiing"),
    "autumn": ("autumn", "autumnal", "fall"),
    "spring": ("spring", "springtime"),
}
MARKUP = re.compile(r"<[a-z/!][^<>]{0,200}>", re.I)
WORD = re.compile(r"\w+(?:['’]\w+)?|&")
SPELT = {"gray": "grey", "woollen": "wool", "woolen": "wool", "golden": "gold", "&": "and"}
MEANS_ANOTHER_THING = re.compile(
    r"\b(?:fall(?:s|ing)? (?:apart|in|off|asleep|down|out|on|over|into|through)|"
    r"(?:that|which|they|it|not|never|to|will|won['’]t|don['’]t|doesn['’]t|can['’]t) fall|"
    r"spring (?:onions?|loaded|rolls?)|snow globes?|works? (?:with|for|in)|"
    r"(?:that|which|will|would|should|can|must|does) work|"
    r"sand (?:pits?|box(?:es)?|castles?)|mint (?:tea|flavou?r|condition)|coral reefs?)\b",
    re.I,
)
REFUSING = {"no", "not", "non", "without", "except", "never", "nothing", "neither", "nor"}
BETWEEN = {"a", "an", "the", "any", "too", "in", "of", "made", "with", "for", "suitable"}  # no <any> wool
ALL = {"anything", "everything", "any", "all"}  # <all> but black
AUDIENCE, SEASON = "audience", "season"
FACET_SHARE = 0.5
MATCHES = 12
SEEN_BEFORE = 60  # characters before a value that are looked at


@dataclass(frozen=True)
class Vocabulary:
    """Attribute values that a catalogue can be filtered by, its lowest and highest price, and their one currency."""

    values: dict[str, frozenset[str]]
    prices: tuple[float, float] | None = None
    currency: str | None = None

    @classmethod
    def of(cls, items: pd.DataFrame) -> "Vocabulary":
        """Gather the values of the brand, and of the attributes that most items have: others would hide too much."""
        held: Counter[str] = Counter()
        values: defaultdict[str, set[str]] = defaultdict(set, {"brand": set(items["brand"].dropna())})
        for attributes in items["attributes"]:
            for name, given in json.loads(attributes).items():
                held[name] += 1
                values[name].update(given)
        facets = {"brand"} | {name for name, count in held.items() if count >= FACET_SHARE * len(items)}
        currencies, prices = items["currency"].dropna().unique(), items["price"].dropna()
        return cls(
            {name: frozenset(values[name]) for name in sorted(facets)},
            (float(prices.min()), float(prices.max())) if len(prices) else None,
            str(currencies[0]) if len(currencies) == 1 else None,
        )

    def save(self, file: Path) -> None:
        """Write it as JSON."""
        values = {name: sorted(held) for name, held in self.values.items()}
        told = {"values": values, "prices": self.prices, "currency": self.currency}
        file.write_text(json.dumps(told, ensure_ascii=False) + "\n")

    @classmethod
    def load(cls, file: Path) -> "Vocabulary":
        """Read what `save` wrote."""
        told = json.loads(file.read_text())
        values = {name: frozenset(held) for name, held in told["values"].items()}
        return cls(values, told["prices"] and tuple(told["prices"]), told["currency"])

    def with_item(self, item: Mapping[str, Any]) -> "Vocabulary":
        """The same with what another item says of what this catalogue can be filtered by."""
        new = {
            name: self.values[name].union(given)
            for name, given in attributes_of(item).items()
            if name in self.values and not self.values[name].issuperset(given)
        }
        told = [price for price in (*(self.prices or ()), item["price"]) if price is not None]
        prices = (min(told), max(told)) if told else None
        currency = item["currency"] if self.prices is None else self.currency
        if not new and (prices, currency) == (self.prices, self.currency):
            return self
        return replace(self, values=self.values | new, prices=prices, currency=currency)

    @cached_property
    def phrases(self) -> dict[tuple[str, ...], list[tuple[str, str]]]:
        """Attributes and values by the words that say them."""
        found: defaultdict[tuple[str, ...], list[tuple[str, str]]] = defaultdict(list)
        for name in sorted(set(self.values).difference((AUDIENCE, SEASON))):
            for value in self.values[name]:
                if words := tuple(_spelt(word[0]) for word in WORD.finditer(value)):
                    found[words].append((name, value))
        for season in self.values.get(SEASON, frozenset()).intersection(SEASONS):
            for word in SEASONS[season]:
                found[word,].append((SEASON, season))
        return dict(found)

    @cached_property
    def parts(self) -> dict[str, list[tuple[str, str]]]:
        """Attributes and values of several words by each of them, but for brands: "wool" of "merino wool"."""
        found: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
        for words, said in self.phrases.items():
            for word in words if len(words) > 1 else ():
                found[word] += [(name, value) for name, value in said if name != "brand"]
        return dict(found)

    def like(self, name: str, value: str) -> list[str]:
        """A value, and those of the same attribute that have it within: "organic cotton" is cotton."""
        return [other for other in self.values[name] if says(other, value)]

    @cached_property
    def longest(self) -> int:
        """Words of the longest value."""
        return max(map(len, self.phrases), default=0)


@dataclass(frozen=True)
class Understanding:
    """A query's price range and filters, with what is left as its text.

    without: values that are not wanted. price_third: which third of the prices of what matches is wanted.
    other_currency: that of a price which is not used, since this catalogue's prices are in another.
    """

    text: str
    price_min: float | None = None
    price_max: float | None = None
    filters: dict[str, list[str]] = field(default_factory=dict)
    without: dict[str, list[str]] = field(default_factory=dict)
    price_third: Third | None = None
    other_currency: str | None = None


def understand(query: str, vocabulary: Vocabulary) -> Understanding:
    """Read prices, seasons, recipients and values that this catalogue can be filtered by."""
    plain = " ".join(unicodedata.normalize("NFKC", MARKUP.sub(" ", html.unescape(query))).split())
    meant = _priced(plain, vocabulary) if vocabulary.prices else Understanding(plain)
    found: defaultdict[str, set[str]] = defaultdict(set)
    refused: defaultdict[str, set[str]] = defaultdict(set)
    text = meant.text
    for said in _said(meant.text, vocabulary):
        for name, value in said.values:
            (refused if said.refused else found)[name].add(value)
        if said.refused:
            text = text[: said.start] + " " * (said.end - said.start) + text[said.end :]
    wanted, unwanted = for_whom(meant.text)
    for label in vocabulary.values.get(AUDIENCE, ()):
        if not wanted.isdisjoint(meant_by := audiences_of(label)):
            found[AUDIENCE].add(label)
        elif meant_by and meant_by <= unwanted:
            refused[AUDIENCE].add(label)
    for name, values in found.items():
        refused[name] -= values
    return replace(
        meant, text=" ".join(text.split()) or query, filters=_in_order(found), without=_in_order(refused)
    )


def within_third(meant: Understanding, prices: NDArray[np.float64]) -> Understanding:
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


def _spelt(word: str) -> str:
    return SPELT.get(word.lower(), word.lower())


@dataclass(frozen=True)
class Said:
    """Attributes and values that a query names, from character `start` to `end`, and whether it refuses them."""

    start: int
    end: int
    values: list[tuple[str, str]]
    refused: bool


def _said(query: str, vocabulary: Vocabulary) -> Iterator[Said]:
    """Values whose words stand in a query, one after the other; the longest where two overlap."""
    literal = MEANS_ANOTHER_THING.sub(lambda other: " " * len(other[0]), query)
    found = list(WORD.finditer(literal))
    words = tuple(_spelt(word[0]) for word in found)
    place, before = 0, None
    while place < len(words):
        size, values = _longest(words, place, vocabulary)
        start, end = found[place].start(), found[place + max(size, 1) - 1].end()
        refused = _refused(literal, start, end) or _refused_too(literal, start, end, values, before)
        if refused:
            values = values or vocabulary.parts.get(words[place], [])
            values = [(name, other) for name, value in values for other in vocabulary.like(name, value)]
        if values:
            before = Said(*(refused or (start, end)), values, refused is not None)
            yield before
        place += max(size, 1)


def _longest(words: tuple[str, ...], place: int, vocabulary: Vocabulary) -> tuple[int, list[tuple[str, str]]]:
    """Words of the longest value that begins at a place, and the attributes that have it."""
    for size in range(min(vocabulary.longest, len(words) - place), 0, -1):
        if values := vocabulary.phrases.get(words[place : place + size]):
            return size, values
    return 0, []


def _refused(query: str, start: int, end: int) -> tuple[int, int] | None:
    """Where a value is refused by what stands around it: no wool, anything but black, leather-free."""
    before = [*re.finditer(r"[\w'’]+|[.,;:!?]", query[max(0, start - SEEN_BEFORE) : start])]
    offset = max(0, start - SEEN_BEFORE)
    while before and before[-1][0].lower() in BETWEEN:
        before.pop()
    if before and before[-1][0].lower() in REFUSING:
        return offset + before[-1].start(), end
    if len(before) > 1 and before[-1][0].lower() == "but" and before[-2][0].lower() in ALL:
        return offset + before[-2].start(), end
    free = re.compile(r"-free\b(?!-)", re.I).match(query, end)
    return (start, free.end()) if free else None


def _refused_too(
    query: str, start: int, end: int, values: Sequence[tuple[str, str]], before: Said | None
) -> tuple[int, int] | None:
    """Where a value is refused with the one before: no red, navy or black; with "and" or a comma of the same attribute."""
    if before is None or not before.refused:
        return None
    joined = re.fullmatch(
        r"\s*(?:(?P<or>,?\s*(?:or|nor)\b)|,?\s*(?:and\b|&|/)|(?P<comma>,))\s*(?:(?:any|a|an|the)\s+)?",
        query[before.end : start],
        re.I,
    )
    alike = {name for name, _ in values} & {name for name, _ in before.values}
    goes_on = re.compile(r"\s*(?:,|/|&|or\b|nor\b|and\b)", re.I).match(query, end)
    if not joined or not (joined["or"] or alike) or (joined["comma"] and not goes_on):
        return None
    return before.end, end


def _priced(query: str, vocabulary: Vocabulary) -> Understanding:
    """The query without what it says of prices, and that; a price in another currency is not used."""
    assert vocabulary.prices
    text, prices = read_prices(query, vocabulary.prices, vocabulary.currency)
    if prices.currency and vocabulary.currency not in (None, prices.currency):
        return Understanding(text, price_third=prices.third, other_currency=prices.currency)
    return Understanding(text, prices.low, prices.high, price_third=prices.third)
