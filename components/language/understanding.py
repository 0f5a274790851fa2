"""What a query says besides its topic: prices, attribute values of the catalogue, and for whom it is."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from components.language.text import attributes_of, says

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
OPEN_ENDED = ("brand", "color", "colour", "material")


@dataclass(frozen=True)
class Vocabulary:
    """Attribute values that exist in a catalogue, by attribute, and whether it has prices."""

    values: dict[str, frozenset[str]]
    priced: bool

    @classmethod
    def of(cls, items: pd.DataFrame) -> "Vocabulary":
        """Gather the values of a catalogue's items."""
        values: dict[str, set[str]] = {"brand": set(items["brand"].dropna())}
        for attributes in items["attributes"]:
            for name, given in json.loads(attributes).items():
                values.setdefault(name, set()).update(given)
        return cls(
            {name: frozenset(given) for name, given in values.items()}, bool(items["price"].notna().any())
        )

    def with_item(self, item: Mapping[str, Any]) -> "Vocabulary":
        """The same with what another item says."""
        priced = self.priced or item["price"] is not None
        new = {
            name: self.values.get(name, frozenset()).union(given)
            for name, given in attributes_of(item).items()
            if not self.values.get(name, frozenset()).issuperset(given)
        }
        return Vocabulary(self.values | new, priced) if new or priced != self.priced else self


@dataclass(frozen=True)
class Understanding:
    """A query's price range and filters, with what is left as its text."""

    text: str
    price_min: float | None = None
    price_max: float | None = None
    filters: dict[str, list[str]] = field(default_factory=dict)


def understand(query: str, vocabulary: Vocabulary) -> Understanding:
    """Read prices, seasons, colours and recipients that this catalogue can be filtered by.

    The one after the last "for" is whom it is for, whoever does the shopping.
    """
    text, low, high = _prices(query) if vocabulary.priced else (query, None, None)
    words = [word.lower().replace("’", "'") for word in WORD.findall(text)]
    seasons = [season for season, said in SEASONS.items() if not set(said).isdisjoint(words)]
    filters = {"audience": _known(_audience(words), vocabulary, "audience")}
    filters["season"] = _known(seasons, vocabulary, "season")
    for name in OPEN_ENDED:
        filters[name] = sorted(value for value in vocabulary.values.get(name, ()) if says(text, value))
    left = " ".join(text.split())
    return Understanding(left or query, low, high, {name: found for name, found in filters.items() if found})


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
