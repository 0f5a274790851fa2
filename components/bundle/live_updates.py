"""Changes of a loaded bundle between two builds: items put and removed, items liked, users forgotten."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.bundle.bundle import Bundle
from components.enrichment.item_facts import item_hash
from components.search.item_text import item_text, matched_text

Vector = NDArray[np.float32]


@dataclass(frozen=True)
class ItemPut:
    """A new or changed item, with the columns of the items table; vector: of its text, (d,)."""

    item: Mapping[str, Any]
    vector: Vector


@dataclass(frozen=True)
class ItemRemoved:
    """An item that was removed."""

    item_id: str


@dataclass(frozen=True)
class ItemLiked:
    """An item that a user liked, with its weight."""

    user_id: str
    item_id: str
    weight: float


@dataclass(frozen=True)
class UserForgotten:
    """A user whose history was erased."""

    user_id: str


Change = ItemPut | ItemRemoved | ItemLiked | UserForgotten


class LiveUpdates:
    """Applies changes to a loaded bundle, so that its next answer takes them into account."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle

    def apply(self, change: Change) -> None:
        """Apply a change; applying it twice has the effect of once."""
        match change:
            case ItemPut(item, vector):
                self._put_item(item, vector)
            case ItemRemoved(item_id):
                self.bundle.items.remove(item_id)
            case ItemLiked(user_id, item_id, weight):
                row = self.bundle.items.row_of(item_id)  # None where the item was removed meanwhile
                if row is not None and weight > 0:
                    self.bundle.histories.add(user_id, row, weight)
            case UserForgotten(user_id):
                self.bundle.histories.forget(user_id)

    def vectors_for(self, items: Sequence[Mapping[str, Any]]) -> list[Vector]:
        """Return the vectors of items' texts, in their order."""
        vectors: dict[int, Vector] = {}
        missing: list[int] = []
        items = [*map(self._with_description, items)]
        for position, item in enumerate(items):
            known = self._known_vector(item)
            if known is None:
                missing.append(position)
            else:
                vectors[position] = known
        # in one call: a batch takes less time than its texts one after the other
        encoded = self.bundle.encoder.encode([item_text(items[position]) for position in missing])
        vectors.update(zip(missing, encoded, strict=True))
        return [vectors[position] for position in range(len(items))]

    def _with_description(self, item: Mapping[str, Any]) -> dict[str, Any]:
        """Return an item with the description that its bundle has of it, if the catalogue still says the same of it."""
        items = self.bundle.items
        row = items.row_of(item["item_id"])
        return keep_description(item, None if row is None else items.rows_as_put(np.array([row]))[0])

    def _known_vector(self, item: Mapping[str, Any]) -> Vector | None:
        """Return the present vector of an item whose text has not changed."""
        # a new price or a sold-out item is the usual change, and encodes nothing
        bundle = self.bundle
        row = bundle.items.row_of(item["item_id"])
        if row is None or item_text(bundle.items.rows_as_put(np.array([row]))[0]) != item_text(item):
            return None
        return bundle.text_index.vectors_of(np.array([row]))[0]

    def _put_item(self, item: Mapping[str, Any], vector: Vector) -> None:
        """Put an item into the stores and indexes; trained factors and popularity stay."""
        bundle, item = self.bundle, self._with_description(item)
        # asked before the put, which overwrites the text to compare with
        has_same_text = self._known_vector(item) is not None
        is_new = bundle.items.find_row(item["item_id"]) is None
        row = bundle.items.put(item)
        # a new vocabulary and not a changed one: the searcher's cache compares the object
        bundle.vocabulary = bundle.vocabulary.with_item(item)
        if has_same_text:
            return
        bundle.text_index.put_vector(row, vector)
        bundle.bm25.put_text(row, matched_text(item))
        if is_new:
            bundle.popularity.append(0.0)
        if row >= bundle.n_trained_items or bundle.factors.cold[row]:
            bundle.factor_index.put_vector(row, self._cold_start_factors(vector))

    def _cold_start_factors(self, vector: Vector) -> Vector:
        """Return the factors of a cold-start item from its text; zeros where the bundle has no regression."""
        content = self.bundle.factors.content
        if content is None:
            return np.zeros(self.bundle.factor_index.dimensions, np.float32)
        return self.bundle.cold_length * content(vector[None])[0]


def keep_description(item: Mapping[str, Any], known: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return an item with the description that it had, None where the catalogue now says other things of it."""
    same = known is not None and item_hash(item) == item_hash(known)
    return {**item, "description": known.get("description") if known is not None and same else None}
