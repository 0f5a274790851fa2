"""What a feed is like, in figures: rows, what is filled in, doubles, the newest action, and how values are spread."""

import json
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

PROFILE = "profile.json"
TABLES = ("items", "interactions", "queries", "judgements", "videos")
NAMES = {"items": ("category", "brand", "currency", "available"), "interactions": ("kind",)}
NUMBERS = {"items": ("price", "year"), "interactions": ("weight",)}
NAMES_KEPT = 30
RARE = 0.01
QUANTILES = np.linspace(0, 1, 201)
Tables = dict[str, pd.DataFrame]
Profile = dict[str, Any]


def profile(tables: Tables, source: str) -> Profile:
    """Describe checked tables.

    rows: by table, users beside them. set_aside, doubled: shares by table. filled: share by column or attribute.
    newest: seconds since 1970 of the last interaction, or None. numbers: count and 201 quantiles by column.
    names: count and shares by column, of the commonest 30 and of the rest together.
    """
    items, acts = tables["items"], tables["interactions"]
    rows = {name: len(tables[name]) for name in TABLES}
    aside = tables["quarantine"]["table"].value_counts()
    return {
        "source": source,
        "rows": rows | {"users": int(acts["user_id"].nunique())},
        "set_aside": {
            name: _share(int(aside.get(name, 0)), rows[name] + int(aside.get(name, 0))) for name in TABLES
        },
        "doubled": {
            "items": _doubled(items, ["title", "text", "brand", "category", "attributes"]),
            "interactions": _doubled(acts, ["user_id", "item_id", "timestamp", "kind"]),
        },
        "newest": int(acts["timestamp"].max()) if len(acts) and acts["timestamp"].max() > 0 else None,
        "filled": _filled(items),
        "numbers": {name: _numbers(values) for name, values in _number_columns(items, acts).items()},
        "names": {
            f"{table}.{column}": _names(tables[table][column])
            for table, columns in NAMES.items()
            for column in columns
        },
    }


def _share(part: int, whole: int) -> float:
    return round(part / whole, 6) if whole else 0.0


def _doubled(frame: pd.DataFrame, columns: list[str]) -> float:
    return _share(int(frame.duplicated(subset=columns).sum()), len(frame))


def _filled(items: pd.DataFrame) -> dict[str, float]:
    """Share of items that have a value, by column and by attribute that is not rare."""
    columns = [column for column in items.columns if column not in ("item_id", "available", "attributes")]
    filled = {
        f"items.{column}": _share(int((items[column].notna() & (items[column] != "")).sum()), len(items))
        for column in columns
    }
    held = pd.Series([name for text in items["attributes"] for name in json.loads(text)], dtype=object)
    counts = held.value_counts().sort_index()
    common = counts[counts >= RARE * len(items)]
    return filled | {
        f"items.attributes.{name}": _share(int(count), len(items)) for name, count in common.items()
    }


def _number_columns(items: pd.DataFrame, acts: pd.DataFrame) -> dict[str, NDArray[np.float64]]:
    columns = {
        f"{table}.{column}": frame[column].dropna().to_numpy(dtype=float)
        for table, frame in (("items", items), ("interactions", acts))
        for column in NUMBERS[table]
    }
    return columns | {"items.text_length": items["text"].str.len().to_numpy(dtype=float)}


def _numbers(values: NDArray[np.float64]) -> dict[str, Any]:
    quantiles = np.quantile(values, QUANTILES, method="inverted_cdf").round(6).tolist() if len(values) else []
    return {"count": len(values), "quantiles": quantiles}


def _names(column: "pd.Series[Any]") -> dict[str, Any]:
    """Shares by name; the rest stands under the empty name, which no value has."""
    counts = column.dropna().astype(str).value_counts()
    ordered = counts.sort_index().sort_values(ascending=False, kind="stable")
    total, first = int(counts.sum()), ordered.head(NAMES_KEPT)
    shares = {str(name): _share(int(count), total) for name, count in first.items()}
    rest = total - int(first.sum())
    return {"count": total, "shares": shares | ({"": _share(rest, total)} if rest else {})}
