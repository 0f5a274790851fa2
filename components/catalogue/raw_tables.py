"""A catalogue as its source has it, before it is checked."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd


@dataclass(frozen=True)
class RawTable:
    """One table as its file has it.

    rows: the number that each row of `frame` has in the file; a CSV's heading is row 1.
    unreadable: lines of the file that are no rows, as (row, text, reason).
    """

    frame: pd.DataFrame
    file: str
    rows: Sequence[int]
    unreadable: Sequence[tuple[int, str, str]] = ()


@dataclass(frozen=True)
class RawCatalogue:
    """The tables by name, the facts about the shop, and the decimal sign of numbers written as text."""

    tables: dict[str, RawTable]
    shop: dict[str, Any] = field(default_factory=dict)
    decimal: str = "."
