"""Ids by their hashes, sorted: millions are looked up in a mapped array, and none can be read back from it."""

from collections.abc import Iterable
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

Keys = NDArray[np.uint64]
Rows = NDArray[np.int64]


def hash_id(item_id: str) -> int:
    """The hash that an id is known by."""
    return int.from_bytes(blake2b(item_id.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def sort_ids(ids: Iterable[str]) -> tuple[Keys, Rows]:
    """The hashes of ids (n,), sorted, and the place of each among the ids.

    Raises ValueError where two ids share a hash, which of 5 million happens once in a million catalogues.
    """
    keys = np.array([hash_id(one) for one in ids], np.uint64)
    order = np.argsort(keys)
    keys = keys[order]
    if (keys[1:] == keys[:-1]).any():
        raise ValueError("Two ids share a hash. Rename one of them.")
    return keys, order


def find_key(keys: Keys, key: int) -> int | None:
    """The place of a hash among sorted ones."""
    place = int(np.searchsorted(keys, np.uint64(key)))
    return place if place < len(keys) and int(keys[place]) == key else None
