"""What is read of an item: the one text that is encoded, matched by words and shown to nobody."""

import html
import json
import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

ESCAPED = 4  # times, at most
MARKUP = re.compile(r"<[a-z/!][^<>]{0,200}>", re.I)


def as_shown(text: str) -> str:
    """A text as a browser shows it, entities read and tags left out; with its tags where nothing else is in it.

    What was escaped more than once is read to the end.
    """
    for _ in range(ESCAPED):
        read = html.unescape(text)
        shown = MARKUP.sub(" ", read)
        if not shown.strip() or shown == text:
            return read
        text = shown
    return text


def tidy(text: str) -> str:
    """A text without odd spaces and in one form of Unicode."""
    return " ".join(unicodedata.normalize("NFKC", text).split())


def clean(text: str) -> str:
    """A tidy text as it is compared."""
    return tidy(text).lower()


def cut(text: str, spans: Iterable[tuple[int, int]]) -> str:
    """A text without some of its parts, each from a character to another."""
    kept = list(text)
    for start, end in spans:
        kept[start:end] = " " * (end - start)
    return " ".join("".join(kept).split())


def says(text: str, phrase: str) -> bool:
    """Whether a phrase stands in a text as whole words, in whatever case: "women" does not say "men"."""
    text, phrase = text.lower(), phrase.lower()
    return phrase in text and re.search(rf"(?<!\w){re.escape(phrase)}(?!\w)", text) is not None


def attributes_of(item: Mapping[Any, Any]) -> dict[str, list[str]]:
    """An item's attributes by name, brand included."""
    values: dict[str, list[str]] = json.loads(item["attributes"])
    if isinstance(item.get("brand"), str):
        values["brand"] = [item["brand"]]
    return values


def item_text(item: Mapping[Any, Any]) -> str:
    """Title and sentence, then what they do not say yet: category, year, brand and attributes."""
    told = f"{item['title']}. {item['text']}".strip()
    facts = [str(item["year"])] if not pd.isna(item.get("year")) else []
    facts += [item["category"]] if isinstance(item.get("category"), str) else []
    facts += [value for values in attributes_of(item).values() for value in values]
    unsaid = dict.fromkeys(fact for fact in facts if not says(told, fact))
    return f"{told} {', '.join(unsaid)}".strip() if unsaid else told


def matched_text(item: Mapping[Any, Any]) -> str:
    """What is matched by words: those of the title count most, then the sentence's, then the attributes'."""
    title = item["title"]
    return f"{title}. {title}. {item['text']} {item_text(item)}"


def item_texts(items: pd.DataFrame) -> list[str]:
    """The text of every item, in order."""
    return [item_text(item) for item in items.to_dict("records")]


def matched_texts(items: pd.DataFrame) -> list[str]:
    """The text of every item as it is matched by words, in order."""
    return [matched_text(item) for item in items.to_dict("records")]
