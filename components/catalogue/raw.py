"""A catalogue as it was found, before it is checked."""

from dataclasses import dataclass, field
from typing import Any

import pandas as pd


@dataclass(frozen=True)
class Raw:
    """Tables of text and numbers by name, the file that each came from, and what is said of the shop.

    first_row: number of the first row in the file, by table: 2 for a CSV with a heading.
    """

    frames: dict[str, pd.DataFrame]
    files: dict[str, str]
    shop: dict[str, Any]
    first_row: dict[str, int] = field(default_factory=dict)
    decimal: str = "."
