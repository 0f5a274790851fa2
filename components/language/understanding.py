"""What a query says besides its topic: prices, attribute values of the catalogue, and for whom it is."""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from components.language.text import attributes_of

CHILDREN = ("girls", "boys", "babies")
PEOPLE = {
    "girls": ("girl", "girls", "daughter", "daughters", "granddaughter", "granddaughters", "niece", "nieces", "sister"),
    "boys": ("boy", "boys", "son", "sons", "grandson", "grandsons", "nephew", "nephews", "brother"),
    "babies": ("baby", "babies", "newborn", "newborns", "infant", "infants", "toddler", "toddlers"),
    "women": ("women", "woman", "wife", "mother", "mum", "mom", "girlfriend", "grandmother", "grandma", "lady", "ladies", "aunt", "sister", "womens"),
    "men": ("men", "man", "husband", "father", "dad", "boyfriend", "grandfather", "grandpa", "gentleman", "uncle", "brother", "mens"),
}  # fmt: skip
ANY_CHILD = {"grandchild", "grandchildren", "grandkids", "child", "children", "kid", "kids", "youngster"}
SEASONS = {
    "summer": ("summer", "summery", "beach"),
    "winter": ("winter", "wintry", "snow"),
    "autumn": ("autumn", "fall"),
    "spring": ("spring",),
}
WRITTEN = {
    "ten": 10, "fifteen": 15, "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70,
    "eighty": 80, "ninety": 90, "a hundred": 100, "one hundred": 100, "two hundred": 200, "five hundred": 500,
}  # fmt: skip
SIGN, UNIT = r"[$€£]", r"(?:euros?|eur|dollars?|usd|pounds?|gbp|bucks)\b"
AMOUNT = rf"(\d{{1,3}}(?:[.,]\d{{3}})+(?:[.,]\d{{1,2}})?|\d+(?:[.,]\d{{1,2}})?|{'|'.join(WRITTEN)})"
OTHER_UNIT = r"years?|months?|weeks?|days?|yrs?|cm|mm|km|m|kg|g|ml|l|inch(?:es)?|%|percent|pieces?|people"
NUMBER = rf"(?:{SIGN}\s*)?{AMOUNT}(?![.,]?\d)(?:\s*{SIGN}|\s*{UNIT})?(?![-\s]*(?:{OTHER_UNIT})(?!\w))(?!\w)"
PRICE = rf"(?:{SIGN}\s*{AMOUNT}|{AMOUNT}\s*(?:{SIGN}|{UNIT}))(?!\w)"
BETWEEN = re.compile(rf"\b(?:between|from)\s+{NUMBER}\s*(?:and|to|-|–)\s*{NUMBER}", re.I)
SPAN = re.compile(rf"(?:{SIGN}\s*)?{AMOUNT}\s*(?:to|-|–)\s*{PRICE}", re.I)
AT_MOST = re.compile(
    rf"(?:\b(?:under|below|up to|at most|less than|cheaper than|no more than|not over|max(?:imum)?)\s+|<=?\s*){NUMBER}"
    rf"|{PRICE}\s+(?:or (?:less|under|below|cheaper)|max(?:imum)?|at most)\b",
    re.I,
)
AT_LEAST = re.compile(
    rf"(?:\b(?:over|above|at least|more than|from|min(?:imum)?)\s+|>=?\s*){NUMBER}(?!\s*(?:to|-|–)\s*\d)"
    rf"|{PRICE}\s+(?:or (?:more|over|above)|min(?:imum)?|at least|and up)\b",
    re.I,
)
WORD = re.compile(r"[\w'’]+")
LEVEL = {
    "lower": re.compile(
        r"(?<![-\w])(?:cheap|cheapest|budget|affordable|inexpensive|low[- ]cost)(?![-\w])", re.I
    ),
    "upper": re.compile(
        r"(?<![-\w])(?:premium|luxury|luxurious|high[- ]end|upmarket|expensive)(?![-\w])", re.I
    ),
}
CURRENCIES = {
    "EUR": re.compile(r"€|\b(?:euros?|eur)\b", re.I),
    "USD": re.compile(r"\$|\b(?:dollars?|usd|bucks)\b", re.I),
    "GBP": re.compile(r"£|\b(?:pounds?|gbp)\b", re.I),
}
WHOM_AND_WHEN = ("audience", "season")
FACET_SHARE = 0.5
MATCHES = 12


@dataclass(frozen=True)
class Vocabulary:
    """Attribute values that a catalogue can be filtered by, whether it has prices, and in which one currency."""

    values: dict[str, frozenset[str]]
    priced: bool
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
        currencies = items["currency"].dropna().unique()
        return cls(
            {name: frozenset(values[name]) for name in sorted(facets)},
            bool(items["price"].notna().any()),
            str(currencies[0]) if len(currencies) == 1 else None,
        )

    def save(self, file: Path) -> None:
        """Write it as JSON."""
        values = {name: sorted(held) for name, held in self.values.items()}
        told = {"values": values, "priced": self.priced, "currency": self.currency}
        file.write_text(json.dumps(told, ensure_ascii=False) + "\n")

    @classmethod
    def load(cls, file: Path) -> "Vocabulary":
        """Read what `save` wrote."""
        told = json.loads(file.read_text())
        values = {name: frozenset(held) for name, held in told["values"].items()}
        return cls(values, told["priced"], told["currency"])

    def with_item(self, item: Mapping[str, Any]) -> "Vocabulary":
        """The same with what another item says of what this catalogue can be filtered by."""
        new = {
            name: self.values[name].union(given)
            for name, given in attributes_of(item).items()
            if name in self.values and not self.values[name].issuperset(given)
        }
        priced = self.priced or item["price"] is not None
        return (
            replace(self, values=self.values | new, priced=priced) if new or priced != self.priced else self
        )

    @cached_property
    def phrases(self) -> dict[tuple[str, ...], list[tuple[str, str]]]:
        """Attributes and values by the words that say them."""
        found: defaultdict[tuple[str, ...], list[tuple[str, str]]] = defaultdict(list)
        for name in sorted(set(self.values).difference(WHOM_AND_WHEN)):
            for value in self.values[name]:
                if words := _words(value):
                    found[words].append((name, value))
        return dict(found)

    @cached_property
    def longest(self) -> int:
        """Words of the longest value."""
        return max(map(len, self.phrases), default=0)


@dataclass(frozen=True)
class Understanding:
    """A query's price range and filters, with what is left as its text.

    price_third: which third of the prices of what matches is wanted. other_currency: that of a price which is not
    used, since this catalogue's prices are in another.
    """

    text: str
    price_min: float | None = None
    price_max: float | None = None
    filters: dict[str, list[str]] = field(default_factory=dict)
    price_third: Literal["lower", "upper"] | None = None
    other_currency: str | None = None


def understand(query: str, vocabulary: Vocabulary) -> Understanding:
    """Read prices, seasons, recipients and values that this catalogue can be filtered by.

    The one after the last "for" is whom it is for, whoever does the shopping.
    """
    meant = _priced(query, vocabulary) if vocabulary.priced else Understanding(query)
    words = [word.lower().replace("’", "'") for word in WORD.findall(meant.text)]
    seasons = [season for season, said in SEASONS.items() if not set(said).isdisjoint(words)]
    found: defaultdict[str, set[str]] = defaultdict(set)
    for name, value in _said(_words(meant.text), vocabulary):
        found[name].add(value)
    found["audience"].update(_known(_audience(words), vocabulary, "audience"))
    found["season"].update(_known(seasons, vocabulary, "season"))
    left = " ".join(meant.text.split())
    filters = {name: sorted(values) for name, values in sorted(found.items()) if values}
    return replace(meant, text=left or query, filters=filters)


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


def _words(text: str) -> tuple[str, ...]:
    return tuple(re.findall(r"\w+(?:['’]\w+)?", text.lower()))


def _said(words: tuple[str, ...], vocabulary: Vocabulary) -> Iterator[tuple[str, str]]:
    """Attributes and values whose words stand in a text, one after the other; the longest where two overlap."""
    place = 0
    while place < len(words):
        for size in range(min(vocabulary.longest, len(words) - place), 0, -1):
            if found := vocabulary.phrases.get(words[place : place + size]):
                yield from found
                place += size
                break
        else:
            place += 1


def _priced(query: str, vocabulary: Vocabulary) -> Understanding:
    """The query without what it says of prices, and that; a price in another currency is not used."""
    text, low, high = _prices(query)
    said = [currency for currency, sign in CURRENCIES.items() if sign.search(query) and not sign.search(text)]
    other = next((currency for currency in said if vocabulary.currency not in (None, currency)), None)
    if other:
        low = high = None
    third: Literal["lower", "upper"] | None = None
    for level in ("lower", "upper"):
        if LEVEL[level].search(text):
            text, third = LEVEL[level].sub(" ", text), level
    return Understanding(text, low, high, price_third=third, other_currency=other)


def _prices(query: str) -> tuple[str, float | None, float | None]:
    """The query without its price range, and the range."""
    if found := BETWEEN.search(query) or SPAN.search(query):
        low, high = sorted(_number(part) for part in found.groups() if part)
        return query.replace(found[0], " "), low, high
    at_most = AT_MOST.search(query)
    text = query.replace(at_most[0], " ") if at_most else query
    at_least = AT_LEAST.search(text)
    text = text.replace(at_least[0], " ") if at_least else text
    return text, _amount(at_least), _amount(at_most)


def _amount(found: re.Match[str] | None) -> float | None:
    return next((_number(part) for part in found.groups() if part), None) if found else None


def _number(text: str) -> float:
    """What an amount is: in digits with either decimal sign, three digits after a sign being thousands, or in words."""
    if text.lower() in WRITTEN:
        return float(WRITTEN[text.lower()])
    whole, cents = re.fullmatch(r"(.+?)(?:[.,](\d{1,2}))?", text).groups()  # type: ignore[union-attr]
    return float(f"{re.sub('[.,]', '', whole)}.{cents or 0}")


def _audience(words: Sequence[str]) -> list[str]:
    """Recipients after the last "for" that names any; else whoever is named."""
    for place in reversed([place for place, word in enumerate(words) if word == "for"]):
        after = words[place + 1 :]
        if named := _named(after[: after.index("from")] if "from" in after else after):
            return named
    return _named(words)


def _named(words: Sequence[str]) -> list[str]:
    """Audiences that words name; children of no kind in particular are of every kind."""
    bare = {word.removesuffix("'s").removesuffix("'") for word in words}
    named = [audience for audience, said in PEOPLE.items() if not bare.isdisjoint(said)]
    if bare.isdisjoint(ANY_CHILD) or not set(named).isdisjoint(CHILDREN):
        return named
    return [*CHILDREN, *named]


def _known(values: Sequence[str], vocabulary: Vocabulary, name: str) -> list[str]:
    """Those values that this catalogue has."""
    return sorted(vocabulary.values.get(name, frozenset()).intersection(values))
