"""Which users and items are held out: by hashes, so that they stay on their side in every run."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

COLD_SHARE = 0.2  # of items whose factors are hidden when cold start is measured


def hash_share(text: str) -> float:
    """A number in [0, 1) that is drawn once and for all for a text, by a hash of it."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") / 2**64


def hidden_items(item_ids: Iterable[str]) -> NDArray[np.bool_]:
    """Which items are hidden when cold start is measured, (i,): a fifth, by their ids, the same in every room."""
    return np.array([hash_share(f"cold:{item}") < COLD_SHARE for item in item_ids], dtype=bool)


def read_users(split: Path, part: str) -> list[str]:
    """Return the users of a part of the split: train, validation or test."""
    table = pd.read_parquet(split)
    return [str(user) for user in table.loc[table["part"] == part, "user_id"]]
