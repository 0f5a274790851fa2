"""The vocabulary of a catalogue: its attribute values by the words that name them, its prices and its currency."""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

import pandas as pd

from components.search.item_text import CONTENT, described_facets, read_attributes

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
SPELLINGS = {"gray": "grey", "woollen": "wool", "woolen": "wool", "golden": "gold", "&": "and"}
KINDS = {"wool": ("merino", "cashmere", "lambswool", "mohair"), "leather": ("suede", "nubuck", "nappa")}
QUALITIES = {"organic", "recycled"}  # that say what is wanted without the noun of a value: organic cotton
AUDIENCE, SEASON, BRAND = "audience", "season", "brand"
FACET_SHARE = 0.5  # of the items that have an attribute by which they are filtered
REFUSED_SHARE = 0.01  # of the items that have one whose values can be refused
MAX_VALUES = 200  # of an attribute whose values are only refused
MAX_WORDS = 3  # of a value that is found by one of its words
BORROWED_SHARE = 0.1  # of the items of a brand, named in titles of other brands


def normalize_word(word: str) -> str:
    """Return a word in lower case and in one spelling, as words are compared."""
    plain = word.lower().replace("’", "'")
    return SPELLINGS.get(plain, plain)


def split_words(text: str) -> Words:
    """Return the words of a text, each in one spelling."""
    return tuple(map(normalize_word, WORD.findall(text)))


@dataclass(frozen=True)
class Vocabulary:
    """The attribute values that a catalogue can be filtered by, its lowest and highest price, and its currency.

    values: by attribute. currency: None if the items have several. refusable: values of attributes that few items have.
    A filter by them would hide the items that merely do not state them, but a query can exclude items that do. borrowed:
    brands that are no filters, because many items of other brands name them, as laptops name Intel.
    """

    values: dict[str, frozenset[str]]
    prices: tuple[float, float] | None = None
    currency: str | None = None
    refusable: dict[str, frozenset[str]] = field(default_factory=dict)
    borrowed: frozenset[str] = frozenset()

    @classmethod
    def from_items(cls, items: pd.DataFrame) -> "Vocabulary":
        """Return the vocabulary of a table of items."""
        counts: Counter[str] = Counter()
        values: defaultdict[str, set[str]] = defaultdict(set, {BRAND: set(items["brand"].dropna())})
        for attributes in items["attributes"]:
            for name, given in json.loads(attributes).items():
                counts[name] += 1
                values[name].update(given)
        facets = {BRAND} | {name for name, count in counts.items() if count >= FACET_SHARE * len(items)}
        refusable: dict[str, frozenset[str]] = {}
        for name in sorted(set(counts) - facets):
            if counts[name] >= REFUSED_SHARE * len(items) and len(values[name]) <= MAX_VALUES:
                refusable[name] = frozenset(filter(_is_plain, values[name]))
        content = set(chain.from_iterable(map(_content_warnings, items.to_dict("records"))))
        # "no gore" leaves out what a language model warns of. What the catalogue itself says, such as wool, it says better
        content -= {value.lower() for given in values.values() for value in given}
        if content:
            refusable[CONTENT] = frozenset(content)
        currencies, prices = items["currency"].dropna().unique(), items["price"].dropna()
        return cls(
            values={name: frozenset(values[name]) for name in sorted(facets)},
            prices=(float(prices.min()), float(prices.max())) if len(prices) else None,
            # Prices in several currencies cannot be compared with one that a query names
            currency=str(currencies[0]) if len(currencies) == 1 else None,
            refusable=refusable,
            borrowed=_borrowed_brands(items),
        )

    def save(self, file: Path) -> None:
        """Write the vocabulary as JSON; the same vocabulary gives the same bytes."""
        fields = {
            "values": {name: sorted(values) for name, values in self.values.items()},
            "prices": self.prices,
            "currency": self.currency,
            "refusable": {name: sorted(values) for name, values in self.refusable.items()},
            "borrowed": sorted(self.borrowed),
        }
        file.write_text(json.dumps(fields, ensure_ascii=False) + "\n")

    @classmethod
    def load(cls, file: Path) -> "Vocabulary":
        """Read the file that `save` wrote."""
        fields = json.loads(file.read_text())
        return cls(
            values={name: frozenset(values) for name, values in fields["values"].items()},
            prices=fields["prices"] and tuple(fields["prices"]),
            currency=fields["currency"],
            refusable={name: frozenset(values) for name, values in fields["refusable"].items()},
            borrowed=frozenset(fields["borrowed"]),
        )

    def with_item(self, item: Mapping[str, Any]) -> "Vocabulary":
        """Return a vocabulary with the values and the price of another item, or this one if the item has no new ones."""
        new = {}
        for name, given in read_attributes(item).items():
            if name in self.values and not self.values[name].issuperset(given):
                new[name] = self.values[name].union(given)
        # The first price decides the currency; a price in another one would not compare with the rest
        currency = item["currency"] if self.prices is None else self.currency
        comparable = currency is None or item["currency"] in (None, currency)
        new_price = item["price"] if comparable else None
        known = [price for price in (*(self.prices or ()), new_price) if price is not None]
        prices = (min(known), max(known)) if known else None
        if not new and (prices, currency) == (self.prices, self.currency):
            return self
        return replace(self, values=self.values | new, prices=prices, currency=currency)

    @cached_property
    def values_by_phrase(self) -> dict[Words, Named]:
        """Return attributes and values by the words that name them."""
        found: defaultdict[Words, Named] = defaultdict(list)
        for name in sorted(set(self.values).difference((AUDIENCE, SEASON))):
            for value in self.values[name]:
                if (words := split_words(value)) and not (name == BRAND and value in self.borrowed):
                    found[words].append((name, value))
                    if words[0] in QUALITIES and len(words) > 1:  # "organic" alone means organic cotton too
                        found[words[0],].append((name, value))
                    if words[1:] == ("free",):  # "glutenfree" is gluten-free
                        found[words[0] + words[1],].append((name, value))
        for season in self.values.get(SEASON, frozenset()).intersection(SEASONS):
            for said in SEASONS[season]:
                found[split_words(said)].append((SEASON, season))
        return dict(found)

    @cached_property
    def max_phrase_words(self) -> int:
        """Return the number of words of the longest phrase."""
        return max(map(len, self.values_by_phrase), default=0)

    @cached_property
    def values_by_word(self) -> dict[str, Named]:
        """Return attributes and values by each of their words, with and without a plural s; brands are not among them."""
        found: defaultdict[str, Named] = defaultdict(list)
        for name, values in (*self.refusable.items(), *self.values.items()):
            if name in (AUDIENCE, SEASON, BRAND):
                continue
            for value in filter(_is_plain, values):
                for word in set(split_words(value)):
                    for form in {word, word.removesuffix("s"), f"{word}s"}:
                        found[form].append((name, value))
        return dict(found)

    def narrower_values(self, name: str, value: str) -> list[str]:
        """Return the values of an attribute that are kinds of one: "organic cotton" is cotton, "merino" is wool."""
        words = split_words(value)
        narrower: list[str] = []
        for kind in (words, *((kind,) for kind in KINDS.get(" ".join(words), ()))):
            for attribute, other in self.values_by_word.get(kind[-1], ()):
                # At its end: "cotton" is no kind of "organic"
                if attribute == name and split_words(other)[-len(kind) :] == kind:
                    narrower.append(other)
        return narrower


def _content_warnings(item: Mapping[Any, Any]) -> list[str]:
    return described_facets(item).get(CONTENT, [])


def _is_plain(value: str) -> bool:
    """Return whether a value is short enough to be found by one of its words, and no number."""
    return len(split_words(value)) <= MAX_WORDS and any(letter.isalpha() for letter in value)


def _borrowed_brands(items: pd.DataFrame) -> frozenset[str]:
    """Return brands that titles of other brands name in at least BORROWED_SHARE as many items as they have themselves."""
    own = Counter(items["brand"].dropna())
    phrases = {split_words(brand): brand for brand in own}
    longest = max(map(len, phrases), default=0)
    named: Counter[str] = Counter()
    for title, brand in zip(items["title"], items["brand"], strict=True):
        named.update(set(_brands_in(split_words(title), phrases, longest)) - {brand})
    return frozenset(brand for brand, count in named.items() if count >= max(2, BORROWED_SHARE * own[brand]))


def _brands_in(words: Words, phrases: Mapping[Words, str], longest: int) -> Iterator[str]:
    """Yield the brands whose words stand in a text."""
    for place in range(len(words)):
        for size in range(1, longest + 1):
            if brand := phrases.get(words[place : place + size]):
                yield brand
