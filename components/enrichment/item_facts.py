"""What a catalogue says of an item, as a language model is told it, and hashes by which answers are found again."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import pandas as pd

FACTS = ("title", "year", "category", "brand", "text")
HASH_LENGTH = 16  # hexadecimal digits: 64 bits tell a hundred million items apart


def item_facts(item: Mapping[Any, Any]) -> dict[str, Any]:
    """Return what a catalogue says of an item, without its id and price."""
    facts: dict[str, Any] = {}
    for name in FACTS:
        value = item[name]
        if not pd.isna(value) and value != "":
            facts[name] = str(value)
    attributes = json.loads(item["attributes"])
    return facts | ({"attributes": attributes} if attributes else {})


def item_hash(item: Mapping[Any, Any]) -> str:
    """Return a hash of what a catalogue says of an item: another one asks for its description again."""
    return short_hash(json.dumps(item_facts(item), sort_keys=True, ensure_ascii=False))


def short_hash(text: str) -> str:
    """Return the first digits of a text's SHA-256."""
    return hashlib.sha256(text.encode()).hexdigest()[:HASH_LENGTH]
