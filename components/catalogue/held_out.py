"""The choice of held-out users and items, by hashes, so that each stays on its side in every run."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

COLD_SHARE = 0.2  # of the items, whose factors are hidden when cold start is measured


def hash_share(text: str) -> float:
    """Return a number in [0, 1) that depends on the text alone, uniformly distributed over texts."""
    # Unlike a random generator, a hash gives a text the same number when others come or go
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") / 2**64


def hidden_items(item_ids: Iterable[str]) -> NDArray[np.bool_]:
    """Return which items (i,) are hidden when cold start is measured: a fifth, by their ids, alike in every package."""
    shares = [hash_share(f"cold:{item}") for item in item_ids]
    return np.array(shares, dtype=float) < COLD_SHARE


def read_users(split: Path, part: str) -> list[str]:
    """Return the users of a part of the split: train, validation or test."""
    table = pd.read_parquet(split)
    return table.loc[table["part"] == part, "user_id"].astype(str).tolist()
