"""Single values of a table: which are missing, and what a text or a number in them says."""

import math
import re
from datetime import datetime
from numbers import Real

import pandas as pd

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f]")
FITS_ALWAYS = {"season": "all year"}  # the value of an attribute that fits whatever is asked for
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def is_missing(value: object) -> bool:
    """Whether a cell is empty: null, NaN or blank."""
    if isinstance(value, str):
        return not value.strip()
    return (
        value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and math.isnan(value))
    )


def as_text(value: object) -> str:
    """A cell as text without control characters; 7.0 is "7", as tables with gaps turn whole numbers into floats."""
    whole = isinstance(value, float) and value.is_integer()
    return CONTROL.sub(" ", str(int(value) if whole else value)).strip()  # type: ignore[call-overload]


def as_number(value: object, decimal: str) -> float:
    """A cell as number, NaN where it is none; texts use the given decimal sign, times become seconds since 1970."""
    if isinstance(value, datetime):
        return pd.Timestamp(value).timestamp()
    if isinstance(value, Real):
        return float("nan") if isinstance(value, bool) else float(value)
    text = str(value).strip()
    if decimal != ".":
        text = text.replace(".", "?").replace(decimal, ".")
    return float(text) if NUMBER.fullmatch(text) else float("nan")
