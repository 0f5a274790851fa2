"""The store of a bundle's items: records, prices, and inverted lists of facet values for filters."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from itertools import chain
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
from components.search.item_text import described_facets, read_attributes

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
BATCH_SIZE = 10_000  # items that are Python objects at once; all of them would take many times Arrow's memory


class ItemStore:
    """Items of a bundle, row k of every array being item k, and the items put since; the bundle's arrays are mapped.

    price: (i,), NaN where there is none. available: (i,), false for removed items. The bundle's items are found by
    `id_keys` and `id_rows` (i,), sorted hashes of their ids and their rows. Their records are JSON, one after the other,
    that of item k from `record_starts[k]` on. `facets` numbers each value of each facet; value v is held by the items
    `holders[holder_starts[v] : holder_starts[v + 1]]`.
    """

    def __init__(self, arrays: Mapping[str, NDArray[Any]], facets: dict[str, dict[str, int]]) -> None:
        self._arrays, self._facets = arrays, facets
        self._price = GrowableArray(arrays["price"])
        self._available = GrowableArray(arrays["available"])
        # the mapped arrays are read-only and shared by all workers, so changes are kept beside them
        self._put_records: dict[int, dict[str, Any]] = {}
        self._put_rows: dict[str, int] = {}
        self._removed: set[int] = set()
        self._put_holders: defaultdict[tuple[str, str], set[int]] = defaultdict(set)

    @classmethod
    def from_items(cls, items: pd.DataFrame) -> "ItemStore":
        """Store a catalogue's items.

        Raises ValueError where two ids share a hash.
        """
        rows: defaultdict[str, defaultdict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
        records: list[bytes] = []
        for batch in pa.Table.from_pandas(items, preserve_index=False).to_batches(BATCH_SIZE):
            for item in batch.to_pylist():
                for name, value in _facet_values(item):
                    rows[name][value].append(len(records))
                records.append(json.dumps(item, ensure_ascii=False).encode())
        facets: dict[str, dict[str, int]] = {}
        holders: list[list[int]] = []
        for name, rows_by_value in rows.items():
            numbers = range(len(holders), len(holders) + len(rows_by_value))
            facets[name] = dict(zip(rows_by_value, numbers, strict=True))
            holders.extend(rows_by_value.values())
        keys, id_rows = sort_ids(items["item_id"])
        arrays = {
            "records": np.frombuffer(b"".join(records), np.uint8),
            "record_starts": _cumulate_lengths(records),
            "id_keys": keys,
            "id_rows": id_rows.astype(np.int32),
            "holders": np.fromiter(chain.from_iterable(holders), np.int32),
            "holder_starts": _cumulate_lengths(holders),
            "price": items["price"].to_numpy(np.float64),
            "available": items["available"].to_numpy(np.bool_),
        }
        return cls(arrays, facets)

    def save(self, folder: Path) -> None:
        """Write the bundle's items to a folder that `load` maps; items put since are not written."""
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
        """Return the row of an item, also of a removed one."""
        new = self._put_rows.get(item_id)
        position = find_key(self._arrays["id_keys"], hash_id(item_id)) if new is None else None
        if position is None:
            return new
        row = int(self._arrays["id_rows"][position])
        # the id of an item that does not exist may share the hash of one that does
        return row if self._read_record(row)["item_id"] == item_id else None

    def row_of(self, item_id: str) -> int | None:
        """Return the row of an item, None where there is no such item or it was removed."""
        row = self.find_row(item_id)
        return None if row in self._removed else row

    def find_rows(self, item_ids: Iterable[str]) -> Rows:
        """Return the rows of items in the given order, without those that do not exist or were removed."""
        rows = map(self.row_of, item_ids)
        return np.array([row for row in rows if row is not None], np.int64)

    def put(self, item: Mapping[str, Any]) -> int:
        """Put an item, with the columns of the items table, as a new row or in its former one; return the row."""
        known = self.find_row(item["item_id"])
        row = len(self) if known is None else known
        price = np.nan if item["price"] is None else item["price"]
        if known is None:
            self._put_rows[item["item_id"]] = row
            self._price.append(price)
            self._available.append(item["available"])
        else:
            self.price[row], self.available[row] = price, item["available"]
        self._drop_facets(row)
        self._removed.discard(row)
        self._put_records[row] = dict(item)
        for facet in _facet_values(item):
            self._put_holders[facet].add(row)
        return row

    def remove(self, item_id: str) -> None:
        """Remove an item; its row stays empty until it is put again."""
        # rows are positions in every index of the bundle, so none may move up
        row = self.find_row(item_id)
        if row is not None:
            self.available[row] = False
            self._removed.add(row)

    def _drop_facets(self, row: int) -> None:
        """Take a row out of the lists of the values that it had when it was put before."""
        record = self._put_records.pop(row, None)
        if record is not None:
            for facet in _facet_values(record):
                self._put_holders[facet].discard(row)

    def _read_record(self, row: int) -> dict[str, Any]:
        if row in self._put_records:
            return self._put_records[row]
        start, end = self._arrays["record_starts"][row : row + 2].tolist()
        record: dict[str, Any] = from_json(self._arrays["records"][start:end].tobytes())
        return record

    def id_of(self, row: int) -> str:
        """Return the id of an item."""
        return str(self._read_record(row)["item_id"])

    def titles(self, rows: Rows) -> list[str]:
        """Return the titles of some items."""
        return [item["title"] for item in self.rows_as_put(rows)]

    def rows_as_put(self, rows: Rows) -> list[dict[str, Any]]:
        """Return some items with the columns of the items table, None for an empty cell."""
        return list(map(self._read_record, rows.tolist()))

    def records(self, rows: Rows) -> list[dict[str, Any]]:
        """Return some items as `rows_as_put` does, with attributes by name."""
        return [item | {"attributes": read_attributes(item)} for item in self.rows_as_put(rows)]

    def on_sale(self, price_min: float | None = None, price_max: float | None = None) -> Mask:
        """Return which items are available within a price range (i,); items without a price are in no range."""
        allowed = self.available.copy()  # callers write to it
        if price_min is not None:
            allowed &= self.price >= price_min
        if price_max is not None:
            allowed &= self.price <= price_max
        return allowed

    def with_values(self, name: str, values: Sequence[str]) -> Mask:
        """Return which items have one of a facet's values, or the value that always fits (i,)."""
        return self._mask_values(name, {*values, FITS_ALWAYS.get(name, "")})

    def without_values(self, name: str, values: Sequence[str]) -> Mask:
        """Return which items have none of a facet's values (i,)."""
        return ~self._mask_values(name, set(values))

    def _mask_values(self, name: str, values: set[str]) -> Mask:
        mask = np.zeros(len(self), dtype=bool)
        for value in values:
            mask[self._find_holders(name, value)] = True
        # the mapped lists still have the former values of items put since
        mask[list(self._put_records)] = False
        for value in values:
            mask[list(self._put_holders.get((name, value), ()))] = True
        return mask

    def _find_holders(self, name: str, value: str) -> NDArray[np.int32]:
        """Return the rows of the bundle's items that have a value of a facet."""
        number = self._facets.get(name, {}).get(value)
        start, end = (0, 0) if number is None else self._arrays["holder_starts"][number : number + 2].tolist()
        return self._arrays["holders"][start:end]

    def apply_filters(self, allowed: Mask, filters: Filters) -> tuple[Mask, bool]:
        """Return the allowed items that fit as many filters as any of them does, and whether that is all filters."""
        if not filters or not allowed.any():
            return allowed, True
        fits = np.sum([self.with_values(name, values) for name, values in filters.items()], axis=0)
        # the nearest items, where no item fits all: an empty page would help nobody
        most = int(fits[allowed].max())
        return allowed & (fits == most), most == len(filters)


def _cumulate_lengths(parts: Sequence[Sized]) -> Rows:
    """Return where each of some parts begins and the last ends, (parts + 1,)."""
    return np.cumsum([0, *map(len, parts)], dtype=np.int64)


def facets_of(item: Mapping[Any, Any]) -> dict[str, list[str]]:
    """Return what an item can be filtered by: attributes, brand, category, and what a language model wrote of it."""
    # The catalogue's own attribute of a name counts before a language model's
    facets = described_facets(item) | read_attributes(item)
    if isinstance(item.get("category"), str):
        facets["category"] = [item["category"]]
    return facets


def _facet_values(item: Mapping[Any, Any]) -> Iterator[tuple[str, str]]:
    for name, values in facets_of(item).items():
        for value in values:
            yield name, value
