"""The text of an item: the one that is encoded, and the one that is matched by words."""

import html
import json
import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

CONTENT, MILD = "content", "mild"
MAX_ESCAPES = 4  # some texts are escaped more than once
MARKUP = re.compile(r"<[a-z/!][^<>]{0,200}>", re.I)


def strip_markup(text: str) -> str:
    """Return a text as a browser shows it: entities read, tags left out.

    Text that was escaped several times is read to the end. A text of nothing but tags keeps them.
    """
    for _ in range(MAX_ESCAPES):
        read = html.unescape(text)
        shown = MARKUP.sub(" ", read)
        if not shown.strip() or shown == text:
            return read
        text = shown
    return text


def normalize_text(text: str) -> str:
    """Return a text in Unicode's NFKC form, with single spaces."""
    return " ".join(unicodedata.normalize("NFKC", text).split())


def lowercase_text(text: str) -> str:
    """Return a normalised text in lower case, as texts are compared."""
    return normalize_text(text).lower()


def remove_spans(text: str, spans: Iterable[tuple[int, int]]) -> str:
    """Return a text without the given spans, each the characters from a start to an end."""
    letters = list(text)
    for start, end in spans:
        # Blanks of the same length, so that the other spans keep their places
        letters[start:end] = " " * (end - start)
    return " ".join("".join(letters).split())


def contains_phrase(text: str, phrase: str) -> bool:
    """Tell whether a text has a phrase as whole words, in any case: "women" does not contain "men"."""
    text, phrase = text.lower(), phrase.lower()
    # The plain search comes first: most phrases are not there, and no pattern is compiled for them
    return phrase in text and re.search(rf"(?<!\w){re.escape(phrase)}(?!\w)", text) is not None


def read_attributes(item: Mapping[Any, Any]) -> dict[str, list[str]]:
    """Return an item's attribute values by name, brand included."""
    values: dict[str, list[str]] = json.loads(item["attributes"])
    # A missing brand is NaN in a table and None in a dict
    if isinstance(item.get("brand"), str):
        values["brand"] = [item["brand"]]
    return values


def read_description(item: Mapping[Any, Any]) -> dict[str, Any]:
    """Return what a language model wrote of an item, by field; empty where it wrote nothing."""
    given = item.get("description")
    fields: dict[str, Any] = json.loads(given) if isinstance(given, str) else {}
    return fields


def item_text(item: Mapping[Any, Any]) -> str:
    """Return title and sentence, what they do not say yet of year, category, attributes and brand, and the summary."""
    summary = read_description(item).get("summary")
    return f"{own_text(item)} {summary}" if summary else own_text(item)


def own_text(item: Mapping[Any, Any]) -> str:
    """Return an item's text as the catalogue has it, without what a language model wrote."""
    text = f"{item['title']}. {item['text']}".strip()
    facts = [] if pd.isna(item.get("year")) else [str(item["year"])]
    if isinstance(item.get("category"), str):
        facts.append(item["category"])
    for values in read_attributes(item).values():
        facts += values
    # A dict and no set: the text has the same order in every process
    missing = dict.fromkeys(fact for fact in facts if not contains_phrase(text, fact))
    return f"{text} {', '.join(missing)}".strip() if missing else text


def matched_text(item: Mapping[Any, Any]) -> str:
    """Return the text that BM25 matches: the title three times, the sentence twice, the attributes once.

    What counts of a description follows, as `field_weights` of its kind of catalogue says (conf/enrichment).
    """
    # A title's words say best what an item is
    title, matched = item["title"], read_description(item).get("matched")
    text = f"{title}. {title}. {item['text']} {own_text(item)}"
    return f"{text} . {matched}" if matched else text


def described_facets(item: Mapping[Any, Any]) -> dict[str, list[str]]:
    """Return what an item can be filtered by of what a language model wrote: moods, whom it suits, content to avoid.

    A mild content warning is none: who wants no violence may well see a film with a slap in the face.
    """
    description = read_description(item)
    if not description:
        return {}
    whom, warnings = description["for_whom"], description["content_warnings"]
    facets: dict[str, list[str]] = {
        "mood": description["moods"],
        "suits": [*whom["ages"], *whom["companions"]],
        CONTENT: [kind for kind, degree in warnings.items() if degree != MILD],
    }
    return {name: values for name, values in facets.items() if values}


def item_texts(items: pd.DataFrame) -> list[str]:
    """Return the texts of items (i,), in order."""
    return list(map(item_text, items.to_dict("records")))


def matched_texts(items: pd.DataFrame) -> list[str]:
    """Return the texts of items (i,) that BM25 matches, in order."""
    return list(map(matched_text, items.to_dict("records")))
