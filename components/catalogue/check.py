"""Check a catalogue row by row: what cannot be used is set aside with its place and the reason."""

import re
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from components.catalogue.raw import Raw
from components.catalogue.tables import TABLES, CatalogueError, typed

DAY = 86_400
MILLISECONDS = 10**11
NUMBERS = {
    "items": {"price": 0.0, "price_original": 0.0, "year": 0.0},
    "interactions": {"weight": 0.0, "timestamp": 0.0},
    "judgements": {"grade": 0.0},
}
KINDS = {"rating", "click", "purchase", "view"}
WORDS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False, "": True}


class Sieve:
    """One table under check: which rows are still good, and why the others are not."""

    def __init__(self, name: str, frame: pd.DataFrame, first_row: int) -> None:
        self.name, self.first_row = name, first_row
        self.frame = frame.reset_index(drop=True)
        self.good = np.ones(len(frame), dtype=bool)
        self.aside: list[dict[str, Any]] = []

    def reject(self, bad: "np.ndarray[Any, Any]", field: str, reason: str) -> None:
        """Set aside the rows marked in `bad` (rows,) that were good until now."""
        for row in np.flatnonzero(bad & self.good):
            value = str(self.frame[field].iloc[row]) if field in self.frame else ""
            self.aside.append(
                {
                    "table": self.name,
                    "row": row + self.first_row,
                    "field": field,
                    "value": value,
                    "reason": reason,
                }
            )
        self.good &= ~bad

    def kept(self) -> pd.DataFrame:
        """The rows that passed."""
        return self.frame[self.good].reset_index(drop=True)


def check(raw: Raw) -> dict[str, pd.DataFrame]:
    """Give every table checked and typed, and `quarantine` with the rows set aside.

    No row is lost: kept and set aside together are the rows given.
    Raises CatalogueError where no item is left.
    """
    tables: dict[str, pd.DataFrame] = {}
    aside: list[dict[str, Any]] = []
    for name in ("items", "interactions", "queries", "judgements", "videos"):
        frame = raw.frames.get(name, pd.DataFrame())
        sieve = Sieve(name, frame.reindex(columns=list(TABLES[name].columns)), raw.first_row.get(name, 1))
        _tidy_text(sieve)
        _check_required(sieve)
        _check_numbers(sieve, raw.decimal)
        _check_keys(sieve)
        _check_references(sieve, tables)
        if name in ("interactions", "videos", "items"):
            {"interactions": _check_interactions, "videos": _check_videos, "items": _check_items}[name](sieve)
        tables[name] = typed(name, sieve.kept())
        aside += sieve.aside
    if tables["items"].empty:
        first = aside[0]["reason"] if aside else "the table is empty"
        raise CatalogueError(f"{raw.files['items']} holds no usable item: {first}. Mend it, then run again.")
    columns = list(TABLES["quarantine"].columns)
    return tables | {"quarantine": typed("quarantine", pd.DataFrame(aside, columns=columns))}


def _tidy_text(sieve: Sieve) -> None:
    """Strip texts; an empty one is missing. Ids stay text, so that "007" is not 7."""
    for column, kind in TABLES[sieve.name].columns.items():
        if kind == "str":
            values = [None if _is_missing(value) else _as_text(value) for value in sieve.frame[column]]
            sieve.frame[column] = pd.Series(values, dtype=object)


def _is_missing(value: object) -> bool:
    return (
        value is None
        or (isinstance(value, float) and np.isnan(value))
        or value is pd.NA
        or str(value).strip() == ""
    )


def _as_text(value: object) -> str:
    whole = isinstance(value, float) and value.is_integer()
    return re.sub(r"[\x00-\x08\x0b-\x1f]", " ", str(int(value) if whole else value)).strip()  # type: ignore[call-overload]


def _check_required(sieve: Sieve) -> None:
    for column in TABLES[sieve.name].required:
        sieve.reject(sieve.frame[column].isna().to_numpy(), column, f"{column} is empty. Fill it in.")


def _check_numbers(sieve: Sieve, decimal: str) -> None:
    for column, least in NUMBERS.get(sieve.name, {}).items():
        given = sieve.frame[column]
        empty = np.array([_is_missing(value) for value in given], dtype=bool)
        text = given.astype(str).str.strip()
        numbers = pd.to_numeric(text.str.replace(decimal, ".") if decimal != "." else text, errors="coerce")
        values = numbers.to_numpy(dtype=float)
        hint = 'Use a point, or set decimal: "," in conf/catalogue.yaml.' if decimal == "." else "Mend it."
        sieve.reject(~empty & ~np.isfinite(values), column, f"{column} is not a number. {hint}")
        sieve.reject(~empty & (values < least), column, f"{column} is below {least:g}. Mend it.")
        sieve.frame[column] = np.where(empty, np.nan, values)


def _check_keys(sieve: Sieve) -> None:
    key = list(TABLES[sieve.name].key)
    if key:
        again = sieve.frame.where(pd.Series(sieve.good)).duplicated(subset=key, keep="first").to_numpy()
        sieve.reject(again, key[0], f"{key[0]} stands in an earlier row too. Keep one of them.")


def _check_references(sieve: Sieve, tables: dict[str, pd.DataFrame]) -> None:
    for column, table in (("item_id", "items"), ("query_id", "queries")):
        if column in sieve.frame and table in tables:
            unknown = ~sieve.frame[column].isin(set(tables[table][column])).to_numpy()
            sieve.reject(unknown, column, f"{table} has no such {column}. Add it there, or drop this row.")


def _check_items(sieve: Sieve) -> None:
    frame = sieve.frame
    known = [_word(value) for value in frame["available"]]
    bad = np.array([value is None for value in known], dtype=bool)
    sieve.reject(bad, "available", "available is neither true nor false. Write one of them.")
    frame["available"] = [bool(value) for value in known]
    frame["text"] = frame["text"].fillna("")
    frame["attributes"] = frame["attributes"].fillna("{}")


def _word(value: object) -> bool | None:
    return WORDS.get("" if _is_missing(value) else str(value).strip().lower())


def _check_interactions(sieve: Sieve) -> None:
    frame = sieve.frame
    frame["weight"] = frame["weight"].fillna(1.0)
    frame["timestamp"] = frame["timestamp"].fillna(0)
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


def _check_videos(sieve: Sieve) -> None:
    absent = np.array([not Path(str(path)).is_file() for path in sieve.frame["path"]], dtype=bool)
    sieve.reject(absent, "path", "no such file. Put the film there, or mend the path.")
