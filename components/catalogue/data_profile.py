"""Statistics of a feed: rows, filled values, duplicates, the newest interaction, and distributions of values."""

import json
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

PROFILE_FILE = "profile.json"
TABLES = ("items", "interactions", "queries", "judgements", "videos")
CATEGORICAL_COLUMNS = {"items": ("category", "brand", "currency", "available"), "interactions": ("kind",)}
NUMBER_COLUMNS = {"items": ("price", "year"), "interactions": ("weight",)}
MAX_NAMES = 30
MIN_ATTRIBUTE_SHARE = 0.01  # of the items; a rarer attribute may go without anything being wrong
QUANTILES = np.linspace(0, 1, 201)  # steps of half a percent, far below the limit of the KS statistic
Tables = dict[str, pd.DataFrame]
Profile = dict[str, Any]


def profile_tables(tables: Tables, source: str) -> Profile:
    """Return the statistics of checked tables.

    rows: rows by table, and users. set_aside, doubled: shares by table. filled: share by column or attribute.
    newest: seconds since 1970 of the last interaction, or None. numbers: count and 201 quantiles by column.
    names: count and shares by column, of the 30 most frequent values and of the rest together.
    """
    items, interactions = tables["items"], tables["interactions"]
    rows = {name: len(tables[name]) for name in TABLES}
    quarantined = tables["quarantine"]["table"].value_counts()
    set_aside: dict[str, float] = {}
    for name, given in rows.items():
        count = int(quarantined.get(name, 0))
        set_aside[name] = _round_share(count, given + count)
    newest = int(interactions["timestamp"].max()) if len(interactions) else 0
    names: dict[str, Any] = {}
    for table, columns in CATEGORICAL_COLUMNS.items():
        for column in columns:
            names[f"{table}.{column}"] = _describe_names(tables[table][column])
    return {
        "source": source,
        "rows": rows | {"users": int(interactions["user_id"].nunique())},
        "set_aside": set_aside,
        "doubled": {
            "items": _duplicate_share(items, ["title", "text", "brand", "category", "attributes"]),
            "interactions": _duplicate_share(interactions, ["user_id", "item_id", "timestamp", "kind"]),
        },
        "newest": newest if newest > 0 else None,  # 0 is an unknown time
        "filled": _filled_shares(items),
        "numbers": _describe_columns(items, interactions),
        "names": names,
    }


def _round_share(part: int, whole: int) -> float:
    return round(part / whole, 6) if whole else 0.0


def _duplicate_share(frame: pd.DataFrame, columns: list[str]) -> float:
    return _round_share(int(frame.duplicated(subset=columns).sum()), len(frame))


def _filled_shares(items: pd.DataFrame) -> dict[str, float]:
    """Return the share of items that have a value, by column and by attribute that is not rare."""
    shares: dict[str, float] = {}
    for column in items.columns.difference(["item_id", "available", "attributes"], sort=False):
        filled = items[column].notna() & (items[column] != "")
        shares[f"items.{column}"] = _round_share(int(filled.sum()), len(items))
    attributes = chain.from_iterable(map(json.loads, items["attributes"]))
    counts = pd.Series(list(attributes), dtype=object).value_counts().sort_index()
    for name, count in counts[counts >= MIN_ATTRIBUTE_SHARE * len(items)].items():
        shares[f"items.attributes.{name}"] = _round_share(int(count), len(items))
    return shares


def _describe_columns(items: pd.DataFrame, interactions: pd.DataFrame) -> dict[str, Any]:
    described: dict[str, Any] = {}
    for table, frame in (("items", items), ("interactions", interactions)):
        for column in NUMBER_COLUMNS[table]:
            described[f"{table}.{column}"] = _describe_numbers(frame[column].dropna().to_numpy(dtype=float))
    lengths = items["text"].str.len().to_numpy(dtype=float)
    return described | {"items.text_length": _describe_numbers(lengths)}


def _describe_numbers(values: NDArray[np.float64]) -> dict[str, Any]:
    if not len(values):
        return {"count": 0, "quantiles": []}
    # This method gives values that occur, so a price that repeats stays one step of the distribution
    quantiles = np.quantile(values, QUANTILES, method="inverted_cdf").round(6).tolist()
    return {"count": len(values), "quantiles": quantiles}


def _describe_names(column: "pd.Series[Any]") -> dict[str, Any]:
    """Return shares by value; the empty name, which no value has, stands for the rest."""
    counts = column.dropna().astype(str).value_counts()
    # By name first, so that the same feed has the same profile however its rows are ordered
    ordered = counts.sort_index().sort_values(ascending=False, kind="stable")
    total, most_frequent = int(counts.sum()), ordered.head(MAX_NAMES)
    shares = {str(name): _round_share(int(count), total) for name, count in most_frequent.items()}
    rest = total - int(most_frequent.sum())
    if rest:
        shares[""] = _round_share(rest, total)
    return {"count": total, "shares": shares}
