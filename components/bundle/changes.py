"""What happens to a loaded bundle between two nights: items put and removed, things liked, people forgotten."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.bundle.load import Bundle
from components.language.text import item_text, matched_text

Vector = NDArray[np.float32]


@dataclass(frozen=True)
class ItemPut:
    """An item, with the columns of the items table, as it is from now on; vector: of its text, (d,)."""

    item: Mapping[str, Any]
    vector: Vector


@dataclass(frozen=True)
class ItemRemoved:
    """An item that is no more."""

    item_id: str


@dataclass(frozen=True)
class Liked:
    """A person's liking of an item, and how much."""

    user_id: str
    item_id: str
    weight: float


@dataclass(frozen=True)
class Forgotten:
    """A person of whom nothing is known from now on."""

    user_id: str


Change = ItemPut | ItemRemoved | Liked | Forgotten


def apply(bundle: Bundle, change: Change) -> None:
    """Answer from now on as if the change had always been so; a change twice is as once."""
    match change:
        case ItemPut(item, vector):
            _put(bundle, item, vector)
        case ItemRemoved(item_id):
            bundle.shelf.remove(item_id)
        case Liked(user_id, item_id, weight):
            row = bundle.shelf.row_of(item_id)
            if row is not None and weight > 0:
                bundle.histories.take(user_id, row, weight)
        case Forgotten(user_id):
            bundle.histories.forget(user_id)


def known_vector(bundle: Bundle, item: Mapping[str, Any]) -> Vector | None:
    """The vector of an item's text where the text is as it was, so that a new price encodes nothing."""
    row = bundle.shelf.row_of(item["item_id"])
    if row is None or item_text(bundle.shelf.rows_as_put(np.array([row]))[0]) != item_text(item):
        return None
    return bundle.text.vectors_of(np.array([row]))[0]


def vectors_for(bundle: Bundle, items: Sequence[Mapping[str, Any]]) -> list[Vector]:
    """The vectors of items' texts; those that are not known are encoded at once."""
    vectors = [known_vector(bundle, item) for item in items]
    missing = [place for place, vector in enumerate(vectors) if vector is None]
    encoded = bundle.encoder.encode([item_text(items[place]) for place in missing])
    for place, vector in zip(missing, encoded, strict=True):
        vectors[place] = vector
    return [vector for vector in vectors if vector is not None]


def _put(bundle: Bundle, item: Mapping[str, Any], vector: Vector) -> None:
    """Give an item its place among texts, words and tastes; what people made of it stays."""
    same = known_vector(bundle, item) is not None
    new = bundle.shelf.place(item["item_id"]) is None
    row = bundle.shelf.put(item)
    bundle.vocabulary = bundle.vocabulary.with_item(item)
    if same:
        return
    bundle.text.put(row, vector)
    bundle.words.put(row, matched_text(item))
    if new:
        bundle.popularity.append(0.0)
    if row >= bundle.learnt_items or bundle.factors.cold[row]:
        bundle.taste.put(row, _guessed(bundle, vector))


def _guessed(bundle: Bundle, vector: Vector) -> Vector:
    """The factors of an item that nobody has met, from its text; zeros where nobody has met any."""
    content = bundle.factors.content
    if content is None:
        return np.zeros(bundle.taste.dimensions, np.float32)
    return bundle.cold_length * content(vector[None])[0]
