"""An index of ids by their sorted hashes.

Millions of ids are looked up in a mapped array, and none can be read back from it.
"""

from collections.abc import Iterable
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

Keys = NDArray[np.uint64]
Rows = NDArray[np.int64]


def hash_id(item_id: str) -> int:
    """Return the 64-bit hash of an id."""
    # surrogatepass: ids from a client may hold lone surrogates, which UTF-8 refuses
    return int.from_bytes(blake2b(item_id.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def sort_ids(ids: Iterable[str]) -> tuple[Keys, Rows]:
    """Return the sorted hashes of ids (n,), and the position of each among the ids.

    Raises ValueError where two ids share a hash, which of 5 million happens once in a million catalogues.
    """
    keys = np.fromiter(map(hash_id, ids), np.uint64)
    order = np.argsort(keys)
    keys = keys[order]
    if (keys[1:] == keys[:-1]).any():
        raise ValueError("Two ids share a hash. Rename one of them.")
    return keys, order


def find_key(keys: Keys, key: int) -> int | None:
    """Return the position of a hash among sorted ones, None where it is not there."""
    # uint64 on both sides: a Python int would turn all keys to float64, in which large ones are equal
    position = int(np.searchsorted(keys, np.uint64(key)))
    return position if position < len(keys) and int(keys[position]) == key else None
