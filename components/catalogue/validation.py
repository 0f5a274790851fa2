"""Check a catalogue row by row: what cannot be used is set aside with its place and the reason."""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from components.catalogue.cell_values import as_number, as_text, is_missing
from components.catalogue.raw_tables import RawCatalogue, RawTable
from components.catalogue.tables import TABLES, CatalogueError, typed
from components.core.content_hash import hash_file

DAY = 86_400
MILLISECONDS = 10**11
POINT, SECONDS = 'Use a point, or set decimal: "," in conf/catalogue.yaml.', "Write seconds since 1970, UTC."
COMMA = 'Use a comma and no other sign, or set decimal: "." in conf/catalogue.yaml.'
NO_LIMIT = float("inf")
NUMBERS: dict[str, dict[str, float]] = {  # the most that each may be; the least is 0
    "items": {"price": NO_LIMIT, "price_original": NO_LIMIT, "year": 9999},
    "interactions": {"weight": NO_LIMIT, "timestamp": NO_LIMIT},
    "judgements": {"grade": 3},
}
WHOLE = {"year", "grade"}
KINDS = {"rating", "click", "purchase", "view"}
WORDS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


class TableValidator:
    """One table under check: which rows are still good, and why the others are not."""

    def __init__(self, name: str, found: RawTable) -> None:
        self.name, self.rows = name, found.rows
        self.frame = found.frame.reindex(columns=list(TABLES[name].columns)).reset_index(drop=True)
        self.good = np.ones(len(self.frame), dtype=bool)
        self.aside = [_aside(name, row, "", line, reason) for row, line, reason in found.unreadable]

    def reject(self, bad: "np.ndarray[Any, Any]", field: str, reason: str) -> None:
        """Set aside the rows marked in `bad` (rows,) that were good until now."""
        for place in np.flatnonzero(bad & self.good):
            value = self.frame[field].iloc[place]
            shown = "" if is_missing(value) else str(value)
            self.aside.append(_aside(self.name, self.rows[int(place)], field, shown, reason))
        self.good &= ~bad

    def kept(self) -> pd.DataFrame:
        """The rows that passed."""
        return self.frame[self.good].reset_index(drop=True)


def _aside(table: str, row: int, field: str, value: str, reason: str) -> dict[str, Any]:
    return {"table": table, "row": row, "field": field, "value": value[:200], "reason": reason}


def validate_tables(raw: RawCatalogue) -> dict[str, pd.DataFrame]:
    """Give every table checked and typed, and `quarantine` with the rows set aside.

    No row is lost: kept and set aside together are the rows given.
    Raises CatalogueError where no item is left.
    """
    tables: dict[str, pd.DataFrame] = {}
    aside: list[dict[str, Any]] = []
    for name in ("items", "interactions", "queries", "judgements", "videos"):
        sieve = TableValidator(name, raw.tables.get(name, RawTable(pd.DataFrame(), "", ())))
        _tidy_text(sieve)
        _check_required(sieve)
        _check_numbers(sieve, raw.decimal)
        if name in CHECKS:
            CHECKS[name](sieve)
        _check_keys(sieve)
        _check_references(sieve, tables)
        tables[name] = typed(name, sieve.kept())
        aside += sieve.aside
    if tables["items"].empty:
        raise CatalogueError(_no_items(raw, aside))
    columns = list(TABLES["quarantine"].columns)
    return tables | {"quarantine": typed("quarantine", pd.DataFrame(aside, columns=columns))}


def _no_items(raw: RawCatalogue, aside: Sequence[dict[str, Any]]) -> str:
    file = raw.tables["items"].file
    if not aside:
        return f"{file} holds no items. Write one row an item under the heading."
    first = aside[0]
    place = f"row {first['row']}: {first['field']} {first['value']!r}"
    return f"{file} holds no usable item ({len(aside)} rows set aside). The first, {place}: {first['reason']}"


def _tidy_text(sieve: TableValidator) -> None:
    """Strip texts; an empty one is missing. Ids stay text, so that "007" is not 7."""
    for column, kind in TABLES[sieve.name].columns.items():
        if kind == "str":
            values = [None if is_missing(value) else as_text(value) for value in sieve.frame[column]]
            sieve.frame[column] = pd.Series(values, dtype=object)


def _check_required(sieve: TableValidator) -> None:
    for column in TABLES[sieve.name].required:
        sieve.reject(sieve.frame[column].isna().to_numpy(), column, f"{column} is empty. Fill it in.")


def _check_numbers(sieve: TableValidator, decimal: str) -> None:
    for column, most in NUMBERS.get(sieve.name, {}).items():
        given = sieve.frame[column]
        empty = np.array([is_missing(value) for value in given], dtype=bool)
        values = np.array([as_number(value, decimal) for value in given], dtype=float)
        hint = SECONDS if column == "timestamp" else POINT if decimal == "." else COMMA
        sieve.reject(~empty & ~np.isfinite(values), column, f"{column} is not a number. {hint}")
        sieve.reject(~empty & (values < 0), column, f"{column} is below 0. Mend it.")
        sieve.reject(~empty & (values > most), column, f"{column} is above {most:g}. Mend it.")
        if column in WHOLE:
            sieve.reject(~empty & (values % 1 != 0), column, f"{column} is not a whole number. Mend it.")
        sieve.frame[column] = np.where(empty | ~sieve.good, np.nan, values)


def _check_keys(sieve: TableValidator) -> None:
    key = list(TABLES[sieve.name].key)
    if key:
        again = sieve.frame.where(pd.Series(sieve.good)).duplicated(subset=key, keep="first").to_numpy()
        sieve.reject(again, key[0], f"{key[0]} stands in an earlier row too. Keep one of them.")


def _check_references(sieve: TableValidator, tables: dict[str, pd.DataFrame]) -> None:
    for column, table in (("item_id", "items"), ("query_id", "queries")):
        if column in sieve.frame and table in tables:
            unknown = ~sieve.frame[column].isin(set(tables[table][column])).to_numpy()
            sieve.reject(unknown, column, f"{table} has no such {column}. Add it there, or drop this row.")


def _check_items(sieve: TableValidator) -> None:
    frame = sieve.frame
    _check_truth(sieve, "available", empty=True)
    frame["text"] = frame["text"].fillna("")
    frame["attributes"] = frame["attributes"].fillna("{}")
    broken = np.array([not _is_object(text) for text in frame["attributes"]], dtype=bool)
    sieve.reject(broken, "attributes", 'attributes is no JSON object. Write it as {"colour": ["red"]}.')


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


def _check_truth(sieve: TableValidator, field: str, empty: bool) -> None:
    """Read true and false in the words that people use for them; `empty` is what no word means."""
    known = [
        empty if is_missing(value) else WORDS.get(str(value).strip().lower()) for value in sieve.frame[field]
    ]
    bad = np.array([value is None for value in known], dtype=bool)
    sieve.reject(bad, field, f"{field} is neither true nor false. Write one of them.")
    sieve.frame[field] = [bool(value) for value in known]


def _check_queries(sieve: TableValidator) -> None:
    _check_truth(sieve, "harmful", empty=False)


def _check_interactions(sieve: TableValidator) -> None:
    frame = sieve.frame
    frame["weight"] = frame["weight"].fillna(1.0)
    frame["timestamp"] = np.floor(frame["timestamp"].fillna(0))
    stamps = frame["timestamp"].to_numpy(dtype=float)
    sieve.reject(
        stamps > MILLISECONDS, "timestamp", "timestamp is in milliseconds, not seconds. Divide it by 1000."
    )
    sieve.reject(
        stamps > time.time() + DAY, "timestamp", "timestamp lies in the future. Mend the clock or the row."
    )
    frame["kind"] = frame["kind"].fillna("click")
    strange = ~frame["kind"].isin(KINDS).to_numpy()
    sieve.reject(strange, "kind", f"kind is not one of {', '.join(sorted(KINDS))}. Use one of them.")


def _check_videos(sieve: TableValidator) -> None:
    absent = np.array([not Path(str(path)).is_file() for path in sieve.frame["path"]], dtype=bool)
    sieve.reject(absent, "path", "no such file. Put the film there, or mend the path.")
    sieve.frame["sha256"] = [
        hash_file(Path(path)) if good else None
        for path, good in zip(sieve.frame["path"], sieve.good, strict=True)
    ]


CHECKS = {
    "interactions": _check_interactions,
    "items": _check_items,
    "queries": _check_queries,
    "videos": _check_videos,
}
