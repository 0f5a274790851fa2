"""Conversions of single cells of a table: whether one is missing, and its text or number."""

import math
import re
from datetime import datetime
from numbers import Real

import pandas as pd

CONTROL_CHARACTERS = re.compile(r"[\x00-\x08\x0b-\x1f]")  # all but tab and line feed, which texts may have
FITS_ALWAYS = {"season": "all year"}  # the value of an attribute that fits every query
# Stricter than float(), which also takes "1_000", "inf" and "nan"
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def is_missing(value: object) -> bool:
    """Return whether a cell is empty: null, NaN or blank."""
    if isinstance(value, str):
        return not value.strip()
    if isinstance(value, float):
        return math.isnan(value)
    return value is None or value is pd.NA or value is pd.NaT


def as_text(value: object) -> str:
    """Return a cell as text without control characters."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # pandas turns the whole numbers of a column with gaps into floats
    return CONTROL_CHARACTERS.sub(" ", str(value)).strip()


def as_number(value: object, decimal: str) -> float:
    """Return a cell as number, NaN where it is none; texts have the given decimal sign, times become seconds since 1970."""
    if isinstance(value, datetime):
        return pd.Timestamp(value).timestamp()
    if isinstance(value, bool):  # a kind of int in Python
        return math.nan
    if isinstance(value, Real):
        return float(value)
    text = str(value).strip()
    if decimal != ".":
        # "1.234" is refused, since nobody knows whether its point groups thousands
        text = text.replace(".", "?").replace(decimal, ".")
    return float(text) if NUMBER.fullmatch(text) else math.nan
