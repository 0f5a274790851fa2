"""The items in their order, with what filters ask of them made ready once, so that no request walks over all of them."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence, Sized
from itertools import chain, count
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from pydantic_core import from_json

from components.bundle.stores.id_index import find_key, hash_id, sort_ids
from components.catalogue.cell_values import FITS_ALWAYS
from components.index.growable_array import GrowableArray
from components.search.item_text import attributes_of

Mask = NDArray[np.bool_]
Rows = NDArray[np.int64]
Filters = Mapping[str, Sequence[str]]
ARRAYS = (
    "records",
    "record_starts",
    "id_keys",
    "id_rows",
    "holders",
    "holder_starts",
    "price",
    "available",
)
FACETS = "facets.json"
AT_ONCE = 10_000


class ItemStore:
    """Items of a bundle, row k of every array being item k, and those put since; what the bundle says is mapped.

    price: (i,), NaN where there is none. available: (i,), false for removed items. The bundle's items are found by
    `id_keys` and `id_rows` (i,), sorted hashes of their ids and their rows; their records are JSON, one after the other,
    that of item k from `record_starts[k]` on. `facets` numbers each value of each facet; value v is held by the items
    `holders[holder_starts[v] : holder_starts[v + 1]]`.
    """

    def __init__(self, arrays: Mapping[str, NDArray[Any]], facets: dict[str, dict[str, int]]) -> None:
        self._arrays, self._facets = arrays, facets
        self._price = GrowableArray(arrays["price"])
        self._available = GrowableArray(arrays["available"])
        self._put: dict[int, dict[str, Any]] = {}
        self._new: dict[str, int] = {}
        self._removed: set[int] = set()
        self._held_since: defaultdict[str, defaultdict[str, set[int]]] = defaultdict(lambda: defaultdict(set))

    @classmethod
    def from_items(cls, items: pd.DataFrame) -> "ItemStore":
        """Store a catalogue's items.

        Raises ValueError where two ids share a hash.
        """
        rows: defaultdict[str, defaultdict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
        records: list[bytes] = []
        for part in pa.Table.from_pandas(items, preserve_index=False).to_batches(AT_ONCE):
            for item in part.to_pylist():
                for name, values in facets_of(item).items():
                    for value in values:
                        rows[name][value].append(len(records))
                records.append(json.dumps(item, ensure_ascii=False).encode())
        held = [holding for values in rows.values() for holding in values.values()]
        numbers = count()
        keys, places = sort_ids(items["item_id"])
        arrays = {
            "records": np.frombuffer(b"".join(records), np.uint8),
            "record_starts": _starts(records),
            "id_keys": keys,
            "id_rows": places.astype(np.int32),
            "holders": np.fromiter(chain.from_iterable(held), np.int32),
            "holder_starts": _starts(held),
            "price": items["price"].to_numpy(np.float64),
            "available": items["available"].to_numpy(np.bool_),
        }
        return cls(
            arrays, {name: {value: next(numbers) for value in values} for name, values in rows.items()}
        )

    def save(self, folder: Path) -> None:
        """Write the bundle's items to a folder that `load` maps."""
        folder.mkdir(parents=True, exist_ok=True)
        for name in ARRAYS:
            np.save(folder / f"{name}.npy", self._arrays[name], allow_pickle=False)
        (folder / FACETS).write_text(json.dumps(self._facets, ensure_ascii=False) + "\n")

    @classmethod
    def load(cls, folder: Path) -> "ItemStore":
        """Map a saved folder; its pages are shared by all processes."""
        arrays = {name: np.asarray(np.load(folder / f"{name}.npy", mmap_mode="r")) for name in ARRAYS}
        return cls(arrays, json.loads((folder / FACETS).read_text()))

    def __len__(self) -> int:
        return len(self._price.values)

    @property
    def price(self) -> NDArray[np.float64]:
        """Prices, (i,), NaN where there is none."""
        return self._price.values

    @property
    def available(self) -> Mask:
        """Whether an item can be shown, (i,)."""
        return self._available.values

    def find_row(self, item_id: str) -> int | None:
        """The row of an item, one that was removed included."""
        new = self._new.get(item_id)
        known = find_key(self._arrays["id_keys"], hash_id(item_id)) if new is None else None
        if known is None:
            return new
        row = int(self._arrays["id_rows"][known])
        return row if self._record(row)["item_id"] == item_id else None

    def row_of(self, item_id: str) -> int | None:
        """The row of an item, None where there is no such item or it was removed."""
        row = self.find_row(item_id)
        return None if row in self._removed else row

    def put(self, item: Mapping[str, Any]) -> int:
        """Put an item, with the columns of the items table, into the store or in its own place there; gives its row."""
        known = self.find_row(item["item_id"])
        row = len(self) if known is None else known
        price = np.nan if item["price"] is None else item["price"]
        if known is None:
            self._new[item["item_id"]] = row
            self._price.append(price)
            self._available.append(item["available"])
        else:
            self.price[row], self.available[row] = price, item["available"]
        self._let_go(row)
        self._removed.discard(row)
        self._put[row] = dict(item)
        for name, values in facets_of(item).items():
            for value in values:
                self._held_since[name][value].add(row)
        return row

    def remove(self, item_id: str) -> None:
        """Remove an item; its row stays empty until it is put again."""
        row = self.find_row(item_id)
        if row is not None:
            self.available[row] = False
            self._removed.add(row)

    def _let_go(self, row: int) -> None:
        before = self._put.pop(row, None)
        if before is not None:
            for name, values in facets_of(before).items():
                for value in values:
                    self._held_since[name][value].discard(row)

    def _record(self, row: int) -> dict[str, Any]:
        if row in self._put:
            return self._put[row]
        start, end = self._arrays["record_starts"][row : row + 2].tolist()
        record: dict[str, Any] = from_json(self._arrays["records"][start:end].tobytes())
        return record

    def id_of(self, row: int) -> str:
        """The id of an item."""
        return str(self._record(row)["item_id"])

    def titles(self, rows: Rows) -> list[str]:
        """The titles of some items."""
        return [item["title"] for item in self.rows_as_put(rows)]

    def rows_as_put(self, rows: Rows) -> list[dict[str, Any]]:
        """Some items with the columns of the items table, None where it says nothing."""
        return [self._record(row) for row in rows.tolist()]

    def records(self, rows: Rows) -> list[dict[str, Any]]:
        """What the catalogue says of some items; attributes by name."""
        return [item | {"attributes": attributes_of(item)} for item in self.rows_as_put(rows)]

    def on_sale(self, price_min: float | None = None, price_max: float | None = None) -> Mask:
        """Available items within a price range (i,), to be written to; items without a price are in no range."""
        allowed = self.available.copy()
        if price_min is not None:
            allowed &= self.price >= price_min
        if price_max is not None:
            allowed &= self.price <= price_max
        return allowed

    def having(self, name: str, values: Sequence[str]) -> Mask:
        """Items with one of a facet's values, or with the one that always fits (i,)."""
        return self._holding(name, {*values, FITS_ALWAYS.get(name, "")})

    def lacking(self, name: str, values: Sequence[str]) -> Mask:
        """Items with none of a facet's values (i,)."""
        return ~self._holding(name, set(values))

    def _holding(self, name: str, values: set[str]) -> Mask:
        held = np.zeros(len(self), dtype=bool)
        for value in values:
            held[self._holders(name, value)] = True
        held[list(self._put)] = False
        for value in values & self._held_since[name].keys():
            held[list(self._held_since[name][value])] = True
        return held

    def _holders(self, name: str, value: str) -> NDArray[np.int32]:
        """Rows of the bundle's items that have a value of a facet."""
        number = self._facets.get(name, {}).get(value)
        start, end = (0, 0) if number is None else self._arrays["holder_starts"][number : number + 2].tolist()
        return self._arrays["holders"][start:end]

    def fitting(self, allowed: Mask, filters: Filters) -> tuple[Mask, bool]:
        """Allowed items that fit all filters, or as many as any item does; and whether they fit all."""
        if not filters or not allowed.any():
            return allowed, True
        fits = np.sum([self.having(name, values) for name, values in filters.items()], axis=0)
        most = int(fits[allowed].max())
        return allowed & (fits == most), most == len(filters)


def _starts(parts: Sequence[Sized]) -> Rows:
    """Where each of some parts begins, and where the last ends, (parts + 1,)."""
    return np.cumsum([0, *map(len, parts)], dtype=np.int64)


def facets_of(item: Mapping[Any, Any]) -> dict[str, list[str]]:
    """What an item can be filtered by: its attributes, its brand and its category."""
    facets = attributes_of(item)
    if isinstance(item.get("category"), str):
        facets["category"] = [item["category"]]
    return facets
