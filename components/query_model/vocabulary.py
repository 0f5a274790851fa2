"""What a catalogue can be asked for: its attribute values by the words that say them, its prices and its currency."""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from components.search.item_text import attributes_of

Words = tuple[str, ...]
Named = list[tuple[str, str]]
SEASONS = {
    "summer": (
        "summer",
        "summery",
        "summertime",
        "beach",
        "heatwave",
        "heat wave",
        "hot weather",
        "june",
        "july",
        "august",
        "father's day",
        "fathers day",
    ),
    "winter": (
        "winter",
        "wintry",
        "snow",
        "snowy",
        "ski",
        "skiing",
        "freezing",
        "frosty",
        "cold weather",
        "december",
        "january",
        "february",
        "christmas",
        "xmas",
        "new year's eve",
        "new years eve",
        "nye",
        "valentine's",
        "valentines",
        "valentine",
    ),
    "autumn": ("autumn", "autumnal", "fall", "october", "november", "halloween", "thanksgiving"),
    "spring": ("spring", "springtime", "april", "easter", "mother's day", "mothers day"),
}  # of the northern hemisphere; may and march are words of their own
WORD = re.compile(r"\w+(?:['’]\w+)?|&")
SPELT = {"gray": "grey", "woollen": "wool", "woolen": "wool", "golden": "gold", "&": "and"}
KINDS = {"wool": ("merino", "cashmere", "lambswool", "mohair"), "leather": ("suede", "nubuck", "nappa")}
QUALITIES = {"organic", "recycled"}  # that say what is wanted without the noun of a value: organic cotton
AUDIENCE, SEASON, BRAND = "audience", "season", "brand"
FACET_SHARE = 0.5  # of the items that have an attribute by which they are filtered
REFUSED_SHARE = 0.01  # of the items that have one whose values can be refused
MOST_VALUES = 200  # of an attribute whose values are only refused
MOST_WORDS = 3  # of a value that is found by one of its words
BORROWED_SHARE = 0.1


def spelling_of(word: str) -> str:
    """A word as it is compared, in one spelling."""
    plain = word.lower().replace("’", "'")
    return SPELT.get(plain, plain)


def spelt(text: str) -> Words:
    """The words of a text in one spelling."""
    return tuple(map(spelling_of, WORD.findall(text)))


@dataclass(frozen=True)
class Vocabulary:
    """Attribute values that a catalogue can be filtered by, its lowest and highest price, and their one currency.

    refusable: values of attributes that too few items have for a filter, which would hide what merely does not state
    them; things that do state them can be left out. borrowed: brands that many items of other brands name, such as
    "Intel" of laptops, and so no filters.
    """

    values: dict[str, frozenset[str]]
    prices: tuple[float, float] | None = None
    currency: str | None = None
    refusable: dict[str, frozenset[str]] = field(default_factory=dict)
    borrowed: frozenset[str] = frozenset()

    @classmethod
    def of(cls, items: pd.DataFrame) -> "Vocabulary":
        """Gather the values of the brand and of the attributes, those that most items have as filters."""
        held: Counter[str] = Counter()
        values: defaultdict[str, set[str]] = defaultdict(set, {BRAND: set(items["brand"].dropna())})
        for attributes in items["attributes"]:
            for name, given in json.loads(attributes).items():
                held[name] += 1
                values[name].update(given)
        facets = {BRAND} | {name for name, count in held.items() if count >= FACET_SHARE * len(items)}
        refused = {name for name, count in held.items() if count >= REFUSED_SHARE * len(items)} - facets
        currencies, prices = items["currency"].dropna().unique(), items["price"].dropna()
        return cls(
            {name: frozenset(values[name]) for name in sorted(facets)},
            (float(prices.min()), float(prices.max())) if len(prices) else None,
            str(currencies[0]) if len(currencies) == 1 else None,
            {
                name: frozenset(value for value in values[name] if _is_plain(value))
                for name in sorted(refused)
                if len(values[name]) <= MOST_VALUES
            },
            _borrowed(items),
        )

    def save(self, file: Path) -> None:
        """Write it as JSON."""
        told = {
            "values": {name: sorted(held) for name, held in self.values.items()},
            "prices": self.prices,
            "currency": self.currency,
            "refusable": {name: sorted(held) for name, held in self.refusable.items()},
            "borrowed": sorted(self.borrowed),
        }
        file.write_text(json.dumps(told, ensure_ascii=False) + "\n")

    @classmethod
    def load(cls, file: Path) -> "Vocabulary":
        """Read what `save` wrote."""
        told = json.loads(file.read_text())
        return cls(
            {name: frozenset(held) for name, held in told["values"].items()},
            told["prices"] and tuple(told["prices"]),
            told["currency"],
            {name: frozenset(held) for name, held in told["refusable"].items()},
            frozenset(told["borrowed"]),
        )

    def with_item(self, item: Mapping[str, Any]) -> "Vocabulary":
        """The same with what another item says of what this catalogue can be filtered by."""
        new = {
            name: self.values[name].union(given)
            for name, given in attributes_of(item).items()
            if name in self.values and not self.values[name].issuperset(given)
        }
        currency = item["currency"] if self.prices is None else self.currency
        comparable = currency is None or item["currency"] in (None, currency)
        new_price = item["price"] if comparable else None
        told = [price for price in (*(self.prices or ()), new_price) if price is not None]
        prices = (min(told), max(told)) if told else None
        if not new and (prices, currency) == (self.prices, self.currency):
            return self
        return replace(self, values=self.values | new, prices=prices, currency=currency)

    @cached_property
    def phrases(self) -> dict[Words, Named]:
        """Attributes and values by the words that say them."""
        found: defaultdict[Words, Named] = defaultdict(list)
        for name in sorted(set(self.values).difference((AUDIENCE, SEASON))):
            for value in self.values[name]:
                if (words := spelt(value)) and not (name == BRAND and value in self.borrowed):
                    found[words].append((name, value))
                    if words[0] in QUALITIES and len(words) > 1:
                        found[words[0],].append((name, value))
                    if words[1:] == ("free",):
                        found[words[0] + words[1],].append((name, value))
        for season in self.values.get(SEASON, frozenset()).intersection(SEASONS):
            for said in SEASONS[season]:
                found[spelt(said)].append((SEASON, season))
        return dict(found)

    @cached_property
    def longest(self) -> int:
        """Words of the longest value."""
        return max(map(len, self.phrases), default=0)

    @cached_property
    def within(self) -> dict[str, Named]:
        """Attributes and values, but for brands, by each of their words, with and without a plural s."""
        found: defaultdict[str, Named] = defaultdict(list)
        for name, values in (*self.refusable.items(), *self.values.items()):
            for value in () if name in (AUDIENCE, SEASON, BRAND) else values:
                for word in set(spelt(value)) if _is_plain(value) else ():
                    for form in {word, word.removesuffix("s"), f"{word}s"}:
                        found[form].append((name, value))
        return dict(found)

    def longer(self, name: str, value: str) -> list[str]:
        """Values of the same attribute that are kinds of one: "organic cotton" is cotton, "merino" is wool."""
        words = spelt(value)
        named = [words, *((kind,) for kind in KINDS.get(" ".join(words), ()))]
        return [
            other
            for kind in named
            for attribute, other in self.within.get(kind[-1], ())
            if attribute == name and spelt(other)[-len(kind) :] == kind
        ]


def _is_plain(value: str) -> bool:
    return len(spelt(value)) <= MOST_WORDS and any(letter.isalpha() for letter in value)


def _borrowed(items: pd.DataFrame) -> frozenset[str]:
    """Brands that the titles of others name in at least a tenth as many items as are their own."""
    own = Counter(items["brand"].dropna())
    phrases = {spelt(brand): brand for brand in own}
    longest = max(map(len, phrases), default=0)
    named: Counter[str] = Counter()
    for title, brand in zip(items["title"], items["brand"], strict=True):
        named.update(set(_brands_in(spelt(title), phrases, longest)) - {brand})
    return frozenset(brand for brand, count in named.items() if count >= max(2, BORROWED_SHARE * own[brand]))


def _brands_in(words: Words, phrases: Mapping[Words, str], longest: int) -> Iterator[str]:
    for place in range(len(words)):
        for size in range(1, longest + 1):
            if brand := phrases.get(words[place : place + size]):
                yield brand
