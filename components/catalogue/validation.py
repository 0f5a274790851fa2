"""Validation of a catalogue row by row: a bad row is set aside with its number in the file and the reason."""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from components.catalogue.cell_values import as_number, as_text, is_missing
from components.catalogue.raw_tables import RawCatalogue, RawTable
from components.catalogue.tables import TABLES, CatalogueError, cast_columns
from components.core.content_hash import hash_file

DAY_SECONDS = 86_400
MAX_SECONDS = 10**11  # in seconds the year 5138, in milliseconds 1973
POINT_HINT = 'Use a point, or set decimal: "," in conf/catalogue.yaml.'
COMMA_HINT = 'Use a comma and no other sign, or set decimal: "." in conf/catalogue.yaml.'
NO_LIMIT = float("inf")
MAX_VALUES: dict[str, dict[str, float]] = {  # of each column of numbers; the least is 0
    "items": {"price": NO_LIMIT, "price_original": NO_LIMIT, "year": 9999},
    "interactions": {"weight": NO_LIMIT, "timestamp": NO_LIMIT},
    "judgements": {"grade": 3},
}
WHOLE_COLUMNS = {"year", "grade"}
KINDS = {"rating", "click", "purchase", "view"}
TRUTH_VALUES = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


class TableValidator:
    """A table during its validation: which rows are still good, and why the others are not."""

    def __init__(self, name: str, raw: RawTable) -> None:
        self.name, self.rows = name, raw.rows
        self.frame = raw.frame.reindex(columns=list(TABLES[name].columns)).reset_index(drop=True)
        self.good = np.ones(len(self.frame), dtype=bool)
        self.set_aside: list[dict[str, Any]] = []
        for row, line, reason in raw.unreadable:
            self._record_row(row, "", line, reason)

    def reject(self, bad: "np.ndarray[Any, Any]", field: str, reason: str) -> None:
        """Set aside the rows marked in `bad` (rows,) that were good until now."""
        # A row has one reason, the first that is found, so that the counts add up to the rows given
        for position in np.flatnonzero(bad & self.good):
            value = self.frame[field].iloc[position]
            shown = "" if is_missing(value) else str(value)
            self._record_row(self.rows[int(position)], field, shown, reason)
        self.good &= ~bad

    def passed_rows(self) -> pd.DataFrame:
        """Return the rows that passed."""
        return self.frame[self.good].reset_index(drop=True)

    def _record_row(self, row: int, field: str, value: str, reason: str) -> None:
        # An open field may hold a whole text; 200 characters tell which row it is
        entry = {"table": self.name, "row": row, "field": field, "value": value[:200], "reason": reason}
        self.set_aside.append(entry)


def validate_tables(raw: RawCatalogue) -> dict[str, pd.DataFrame]:
    """Return every table checked and typed, and `quarantine` with the rows set aside.

    No row is lost: those returned and those set aside together are the rows given.
    Raises CatalogueError where no item is left.
    """
    tables: dict[str, pd.DataFrame] = {}
    set_aside: list[dict[str, Any]] = []
    # Items and queries come before the tables that refer to them
    for name in ("items", "interactions", "queries", "judgements", "videos"):
        validator = TableValidator(name, raw.tables.get(name, RawTable(pd.DataFrame(), "", ())))
        _tidy_text(validator)
        _check_required(validator)
        _check_numbers(validator, raw.decimal)
        if name in CHECKS:
            CHECKS[name](validator)
        # After the others: a good row must not be refused as the double of a bad one
        _check_keys(validator)
        _check_references(validator, tables)
        tables[name] = cast_columns(name, validator.passed_rows())
        set_aside += validator.set_aside
    if tables["items"].empty:
        raise CatalogueError(_explain_no_items(raw, set_aside))
    return tables | {"quarantine": cast_columns("quarantine", pd.DataFrame(set_aside))}


def _explain_no_items(raw: RawCatalogue, set_aside: Sequence[dict[str, Any]]) -> str:
    file = raw.tables["items"].file
    if not set_aside:
        return f"{file} holds no items. Write one row for each item under the heading."
    first = set_aside[0]
    row = f"row {first['row']}: {first['field']} {first['value']!r}"
    return (
        f"{file} holds no usable item ({len(set_aside)} rows set aside). The first, {row}: {first['reason']}"
    )


def _tidy_text(validator: TableValidator) -> None:
    """Strip texts; an empty one is missing. Ids stay text, so that "007" is not 7."""
    for column, kind in TABLES[validator.name].columns.items():
        if kind == "str":
            values = [None if is_missing(value) else as_text(value) for value in validator.frame[column]]
            validator.frame[column] = pd.Series(values, dtype=object)


def _check_required(validator: TableValidator) -> None:
    for column in TABLES[validator.name].required:
        validator.reject(validator.frame[column].isna().to_numpy(), column, f"{column} is empty. Fill it in.")


def _check_numbers(validator: TableValidator, decimal: str) -> None:
    decimal_hint = POINT_HINT if decimal == "." else COMMA_HINT
    for column, most in MAX_VALUES.get(validator.name, {}).items():
        given = validator.frame[column].astype(object)
        empty = given.map(is_missing).to_numpy(dtype=bool)
        values = given.map(lambda value: as_number(value, decimal)).to_numpy(dtype=float)
        hint = "Write seconds since 1970, UTC." if column == "timestamp" else decimal_hint
        validator.reject(~empty & ~np.isfinite(values), column, f"{column} is not a number. {hint}")
        validator.reject(~empty & (values < 0), column, f"{column} is below 0. Correct it.")
        validator.reject(~empty & (values > most), column, f"{column} is above {most:g}. Correct it.")
        if column in WHOLE_COLUMNS:
            validator.reject(
                ~empty & (values % 1 != 0), column, f"{column} is not a whole number. Correct it."
            )
        validator.frame[column] = np.where(empty | ~validator.good, np.nan, values)


def _check_keys(validator: TableValidator) -> None:
    key = list(TABLES[validator.name].key)
    if key:
        again = (
            validator.frame.where(pd.Series(validator.good)).duplicated(subset=key, keep="first").to_numpy()
        )
        validator.reject(again, key[0], f"{key[0]} is in an earlier row too. Keep one of them.")


def _check_references(validator: TableValidator, tables: dict[str, pd.DataFrame]) -> None:
    for column, table in (("item_id", "items"), ("query_id", "queries")):
        if column in validator.frame and table in tables:
            unknown = ~validator.frame[column].isin(set(tables[table][column])).to_numpy()
            validator.reject(
                unknown, column, f"{table} has no such {column}. Add it there, or drop this row."
            )


def _check_items(validator: TableValidator) -> None:
    frame = validator.frame
    _check_truth(validator, "available", default=True)
    frame["text"] = frame["text"].fillna("")
    frame["attributes"] = frame["attributes"].fillna("{}")
    valid = frame["attributes"].map(_is_object).to_numpy(dtype=bool)
    validator.reject(
        ~valid, "attributes", 'attributes is not a JSON object. Write it as {"colour": ["red"]}.'
    )


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


def _check_truth(validator: TableValidator, field: str, default: bool) -> None:
    """Read true and false as yes and no, 1 and 0 too; an empty cell has the default."""
    given = validator.frame[field].astype(object)
    values = given.map(lambda value: TRUTH_VALUES.get(str(value).strip().lower()))
    values = values.mask(given.map(is_missing).astype(bool), default)
    validator.reject(
        values.isna().to_numpy(), field, f"{field} is neither true nor false. Write one of them."
    )
    # Rejected rows leave the table, so it does not matter what they hold
    validator.frame[field] = values.eq(True)


def _check_queries(validator: TableValidator) -> None:
    _check_truth(validator, "harmful", default=False)


def _check_interactions(validator: TableValidator) -> None:
    frame = validator.frame
    frame["weight"] = frame["weight"].fillna(1.0)
    frame["timestamp"] = np.floor(frame["timestamp"].fillna(0))
    seconds = frame["timestamp"].to_numpy(dtype=float)
    milliseconds = seconds > MAX_SECONDS
    reason = "timestamp is in milliseconds, not seconds. Divide it by 1000."
    validator.reject(milliseconds, "timestamp", reason)
    # A day of tolerance, for clocks of other time zones
    future = seconds > time.time() + DAY_SECONDS
    reason = "timestamp lies in the future. Correct the clock or the row."
    validator.reject(future, "timestamp", reason)
    frame["kind"] = frame["kind"].fillna("click")
    unknown = ~frame["kind"].isin(KINDS).to_numpy()
    validator.reject(unknown, "kind", f"kind is not one of {', '.join(sorted(KINDS))}. Use one of them.")


def _check_videos(validator: TableValidator) -> None:
    files = validator.frame["path"].map(str).map(Path)
    found = files.map(Path.is_file).to_numpy(dtype=bool)
    validator.reject(~found, "path", "no such file. Put the film there, or correct the path.")
    # Later stages know a film by its content, so that a new film under an old name is described anew
    validator.frame["sha256"] = files[validator.good].map(hash_file).reindex(files.index)


CHECKS = {
    "interactions": _check_interactions,
    "items": _check_items,
    "queries": _check_queries,
    "videos": _check_videos,
}
