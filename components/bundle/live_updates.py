"""What happens to a loaded bundle between two nights: items put and removed, things liked, people forgotten."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.bundle.bundle import Bundle
from components.search.item_text import item_text, matched_text

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
class ItemLiked:
    """A person's liking of an item, and how much."""

    user_id: str
    item_id: str
    weight: float


@dataclass(frozen=True)
class UserForgotten:
    """A person of whom nothing is known from now on."""

    user_id: str


Change = ItemPut | ItemRemoved | ItemLiked | UserForgotten


class LiveUpdates:
    """Applies changes to a loaded bundle; its next answer is as if they had always been so."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle

    def apply(self, change: Change) -> None:
        """Apply a change; applying it twice is as once."""
        match change:
            case ItemPut(item, vector):
                self._put_item(item, vector)
            case ItemRemoved(item_id):
                self.bundle.items.remove(item_id)
            case ItemLiked(user_id, item_id, weight):
                row = self.bundle.items.row_of(item_id)
                if row is not None and weight > 0:
                    self.bundle.histories.add(user_id, row, weight)
            case UserForgotten(user_id):
                self.bundle.histories.forget(user_id)

    def vectors_for(self, items: Sequence[Mapping[str, Any]]) -> list[Vector]:
        """Return the vectors of items' texts; those that are not known are encoded at once."""
        vectors = [self._known_vector(item) for item in items]
        missing = [place for place, vector in enumerate(vectors) if vector is None]
        encoded = self.bundle.encoder.encode([item_text(items[place]) for place in missing])
        for place, vector in zip(missing, encoded, strict=True):
            vectors[place] = vector
        return [vector for vector in vectors if vector is not None]

    def _known_vector(self, item: Mapping[str, Any]) -> Vector | None:
        """The vector of an item whose text is as it was, so that a new price encodes nothing."""
        bundle = self.bundle
        row = bundle.items.row_of(item["item_id"])
        if row is None or item_text(bundle.items.rows_as_put(np.array([row]))[0]) != item_text(item):
            return None
        return bundle.text_index.vectors_of(np.array([row]))[0]

    def _put_item(self, item: Mapping[str, Any], vector: Vector) -> None:
        """Put an item into the stores and indexes; what users made of it stays."""
        bundle = self.bundle
        has_same_text = self._known_vector(item) is not None
        is_new = bundle.items.find_row(item["item_id"]) is None
        row = bundle.items.put(item)
        bundle.vocabulary = bundle.vocabulary.with_item(item)
        if has_same_text:
            return
        bundle.text_index.put(row, vector)
        bundle.bm25.put(row, matched_text(item))
        if is_new:
            bundle.popularity.append(0.0)
        if row >= bundle.n_trained_items or bundle.factors.cold[row]:
            bundle.factor_index.put(row, self._cold_start_factors(vector))

    def _cold_start_factors(self, vector: Vector) -> Vector:
        """The factors of a cold-start item, from its text; zeros where the bundle has no regression for them."""
        content = self.bundle.factors.content
        if content is None:
            return np.zeros(self.bundle.factor_index.dimensions, np.float32)
        return self.bundle.cold_length * content(vector[None])[0]
