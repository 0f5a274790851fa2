"""What a query says besides its topic: prices, attribute values of the catalogue, and for whom it is."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import pandas as pd

CHILDREN = ("girls", "boys", "babies")
PEOPLE = {
    "girls": ("girl", "girls", "daughter", "daughters", "granddaughter", "granddaughters", "niece", "nieces", "sister"),
    "boys": ("boy", "boys", "son", "sons", "grandson", "grandsons", "nephew", "nephews"),
    "babies": ("baby", "babies", "newborn", "newborns", "infant", "infants", "toddler", "toddlers"),
    "women": ("women", "woman", "wife", "mother", "mum", "mom", "girlfriend", "grandmother", "grandma", "lady", "ladies", "aunt"),
    "men": ("men", "man", "husband", "father", "dad", "boyfriend", "grandfather", "grandpa", "gentleman", "uncle"),
}  # fmt: skip
ANY_CHILD = (
    "grandchild",
    "grandchildren",
    "grandkids",
    "child",
    "children",
    "kid",
    "kids",
    "children's",
    "kids'",
    "youngster",
)
SEASONS = {
    "summer": ("summer", "summery", "beach"),
    "winter": ("winter", "wintry", "snow"),
    "autumn": ("autumn", "fall"),
    "spring": ("spring",),
}
NUMBER = r"(?:[$€£]\s*)?(\d+(?:[.,]\d{1,2})?)\s*(?:[$€£]|euros?|eur|dollars?|usd|pounds?|gbp)?"
BETWEEN = re.compile(rf"\b(?:between|from)\s+{NUMBER}\s+(?:and|to)\s+{NUMBER}", re.I)
AT_MOST = re.compile(
    rf"\b(?:under|below|up to|at most|less than|cheaper than|no more than|max(?:imum)?)\s+{NUMBER}", re.I
)
AT_LEAST = re.compile(rf"\b(?:over|above|at least|more than|from|min(?:imum)?)\s+{NUMBER}", re.I)
WORD = re.compile(r"[\w'’-]+")
OPEN_ENDED = {"colour", "material", "brand"}


@dataclass(frozen=True)
class Vocabulary:
    """Attribute values that exist in a catalogue, by attribute, and whether it has prices."""

    values: dict[str, frozenset[str]]
    priced: bool

    @classmethod
    def of(cls, items: pd.DataFrame) -> "Vocabulary":
        """Gather the values of a catalogue's items."""
        values: dict[str, set[str]] = {}
        for attributes in items["attributes"]:
            for name, given in json.loads(attributes).items():
                values.setdefault(name, set()).update(given)
        return cls(
            {name: frozenset(given) for name, given in values.items()}, bool(items["price"].notna().any())
        )


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
    filters = {
        "audience": _kept(_audience(words), vocabulary, "audience"),
        "season": _kept(
            [season for season, said in SEASONS.items() if set(said) & set(words)], vocabulary, "season"
        ),
    }
    for name in sorted(OPEN_ENDED & set(vocabulary.values)):
        spoken = " ".join(words)
        filters[name] = sorted(
            value
            for value in vocabulary.values[name]
            if re.search(rf"\b{re.escape(value.lower())}\b", spoken)
        )
    return Understanding(
        text.strip() or query, low, high, {name: values for name, values in filters.items() if values}
    )


def _prices(query: str) -> tuple[str, float | None, float | None]:
    if found := BETWEEN.search(query):
        low, high = sorted(_number(part) for part in found.groups())
        return BETWEEN.sub(" ", query), low, high
    low_found, high_found = AT_LEAST.search(query), AT_MOST.search(query)
    text = AT_MOST.sub(" ", AT_LEAST.sub(" ", query))
    return text, _number(low_found[1]) if low_found else None, _number(high_found[1]) if high_found else None


def _number(text: str) -> float:
    return float(text.replace(",", "."))


def _audience(words: Sequence[str]) -> list[str]:
    """Recipients after the last "for" that names any; else whoever is named."""
    for place in reversed([place for place, word in enumerate(words) if word == "for"]):
        if named := _named(words[place + 1 :]):
            return named
    return _named(words)


def _named(words: Sequence[str]) -> list[str]:
    if set(ANY_CHILD) & set(words):
        own = [audience for audience in CHILDREN if set(PEOPLE[audience]) & set(words)]
        return own or list(CHILDREN)
    bare = {word.removesuffix("'s").removesuffix("'") for word in words}
    return [audience for audience, said in PEOPLE.items() if set(said) & bare]


def _kept(values: Sequence[str], vocabulary: Vocabulary, name: str) -> list[str]:
    """Values that this catalogue has, and those that always fit."""
    kept = sorted(set(values) & vocabulary.values.get(name, frozenset()))
    return kept
