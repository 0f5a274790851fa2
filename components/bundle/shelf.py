"""The items in their order, with what filters ask of them made ready once, so that no request walks over all of them."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from components.index.growing import Growing
from components.language.text import attributes_of

Mask = NDArray[np.bool_]
Rows = NDArray[np.int64]
Filters = Mapping[str, Sequence[str]]
FITS_ALWAYS = {"season": "all year"}


class Shelf:
    """Items of a bundle, row k of every array being item k, and those put since.

    table: the bundle's items. rows: row of each id, removed items included. price: (i,), NaN where there is none.
    available: (i,), false for removed items. holders: rows of the bundle's items that have a value, by facet and value.
    """

    def __init__(self, table: pa.Table, holders: dict[str, dict[str, Rows]]) -> None:
        self.table, self.holders = table, holders
        self._ids: list[str] = table["item_id"].to_pylist()
        self.rows: dict[str, int] = {item: row for row, item in enumerate(self._ids)}
        self._price = Growing(table["price"].to_numpy().astype(np.float64))
        self._available = Growing(table["available"].to_numpy(zero_copy_only=False).astype(np.bool_))
        self._put: dict[int, dict[str, Any]] = {}
        self._removed: set[int] = set()
        self._held_since: defaultdict[str, defaultdict[str, set[int]]] = defaultdict(lambda: defaultdict(set))

    @classmethod
    def of(cls, items: pd.DataFrame) -> "Shelf":
        """Put a catalogue's items on the shelf."""
        rows: defaultdict[str, defaultdict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
        for row, item in enumerate(items[["brand", "category", "attributes"]].to_dict("records")):
            for name, values in facets_of(item).items():
                for value in values:
                    rows[name][value].append(row)
        holders = {
            name: {value: np.array(held, dtype=np.int64) for value, held in values.items()}
            for name, values in rows.items()
        }
        return cls(pa.Table.from_pandas(items, preserve_index=False), holders)

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

    def row_of(self, item_id: str) -> int | None:
        """The row of an item, None where there is no such item or it was removed."""
        row = self.rows.get(item_id)
        return None if row in self._removed else row

    def put(self, item: Mapping[str, Any]) -> int:
        """Put an item, with the columns of the items table, on the shelf or in its own place there; gives its row."""
        row = self.rows.setdefault(item["item_id"], len(self))
        price = np.nan if item["price"] is None else item["price"]
        if row == len(self):
            self._ids.append(item["item_id"])
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
        """Take an item off the shelf; its row stays empty until it is put again."""
        row = self.rows.get(item_id)
        if row is not None:
            self.available[row] = False
            self._removed.add(row)

    def _let_go(self, row: int) -> None:
        before = self._put.pop(row, None)
        if before is not None:
            for name, values in facets_of(before).items():
                for value in values:
                    self._held_since[name][value].discard(row)

    def id_of(self, row: int) -> str:
        """The id of an item."""
        return self._ids[row]

    def rows_as_put(self, rows: Rows) -> list[dict[str, Any]]:
        """Some items with the columns of the items table, None where it says nothing."""
        here = [int(row) for row in rows if int(row) not in self._put]
        mapped = dict(zip(here, self.table.take(pa.array(here, pa.int64())).to_pylist(), strict=True))
        return [mapped[row] if row in mapped else self._put[row] for row in rows.tolist()]

    def records(self, rows: Rows) -> list[dict[str, Any]]:
        """What the catalogue says of some items; attributes by name."""
        return [item | {"attributes": attributes_of(item)} for item in self.rows_as_put(rows)]

    def titles(self, rows: Rows) -> list[str]:
        """The titles of some items."""
        column = self.table["title"]
        return [self._put[row]["title"] if row in self._put else column[row].as_py() for row in rows.tolist()]

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
        held, wanted = np.zeros(len(self), dtype=bool), {*values, FITS_ALWAYS.get(name, "")}
        for value in wanted:
            held[self.holders.get(name, {}).get(value, [])] = True
        held[list(self._put)] = False
        for value in wanted & self._held_since[name].keys():
            held[list(self._held_since[name][value])] = True
        return held

    def fitting(self, allowed: Mask, filters: Filters) -> tuple[Mask, bool]:
        """Allowed items that fit all filters, or as many as any item does; and whether they fit all."""
        if not filters or not allowed.any():
            return allowed, True
        fits = np.sum([self.having(name, values) for name, values in filters.items()], axis=0)
        most = int(fits[allowed].max())
        return allowed & (fits == most), most == len(filters)


def facets_of(item: Mapping[Any, Any]) -> dict[str, list[str]]:
    """What an item can be filtered by: its attributes, its brand and its category."""
    facets = attributes_of(item)
    if isinstance(item.get("category"), str):
        facets["category"] = [item["category"]]
    return facets
