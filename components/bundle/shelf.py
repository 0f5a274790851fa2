"""The items in their order, with what filters ask of them made ready once, so that no request walks over all of them."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from components.language.text import attributes_of

Mask = NDArray[np.bool_]
Rows = NDArray[np.int64]
Filters = Mapping[str, Sequence[str]]
FITS_ALWAYS = {"season": "all year"}


@dataclass(frozen=True)
class Shelf:
    """Items of a bundle: row k of every array is item k.

    table: the same items, of which a few rows are read quickly. price: (i,), NaN where there is none.
    available: (i,). holders: rows of the items that have a value, by attribute and value.
    """

    items: pd.DataFrame
    table: pa.Table
    price: NDArray[np.float64]
    available: Mask
    holders: dict[str, dict[str, Rows]]

    @classmethod
    def of(cls, items: pd.DataFrame) -> "Shelf":
        """Put a catalogue's items on the shelf; the brand counts as an attribute."""
        rows: defaultdict[str, defaultdict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
        for row, item in enumerate(items[["brand", "attributes"]].to_dict("records")):
            for name, values in attributes_of(item).items():
                for value in values:
                    rows[name][value].append(row)
        holders = {
            name: {value: np.array(held, dtype=np.int64) for value, held in values.items()}
            for name, values in rows.items()
        }
        return cls(
            items,
            pa.Table.from_pandas(items, preserve_index=False),
            items["price"].to_numpy(dtype=np.float64),
            items["available"].to_numpy(dtype=bool),
            holders,
        )

    def __len__(self) -> int:
        return len(self.items)

    def records(self, rows: Rows) -> list[dict[str, Any]]:
        """What the catalogue says of some items, None where it says nothing; attributes by name."""
        found: list[dict[str, Any]] = self.table.take(rows).to_pylist()
        return [item | {"attributes": attributes_of(item)} for item in found]

    def on_sale(self, price_min: float | None = None, price_max: float | None = None) -> Mask:
        """Available items within a price range (i,); items without a price are in no range."""
        allowed = self.available.copy()
        if price_min is not None:
            allowed &= self.price >= price_min
        if price_max is not None:
            allowed &= self.price <= price_max
        return allowed

    def having(self, name: str, values: Sequence[str]) -> Mask:
        """Items with one of an attribute's values, or with the one that always fits (i,)."""
        held = np.zeros(len(self), dtype=bool)
        for value in {*values, FITS_ALWAYS.get(name, "")}:
            held[self.holders.get(name, {}).get(value, [])] = True
        return held

    def fitting(self, allowed: Mask, filters: Filters) -> tuple[Mask, bool]:
        """Allowed items that fit all filters, or as many as any item does; and whether they fit all."""
        if not filters or not allowed.any():
            return allowed, True
        fits = np.sum([self.having(name, values) for name, values in filters.items()], axis=0)
        most = int(fits[allowed].max())
        return allowed & (fits == most), most == len(filters)
