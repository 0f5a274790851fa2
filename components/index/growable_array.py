"""An array that rows are appended to while it is in use."""

from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T", bound=np.generic)
GROWTH_FACTOR = 1.5  # a constant factor keeps the cost of an append constant on average


class GrowableArray(Generic[T]):
    """An array (rows, ...) with spare capacity; `values` is a view of its rows and may be written to."""

    def __init__(self, values: NDArray[T]) -> None:
        self._buffer, self._rows = np.array(values), len(values)

    @property
    def values(self) -> NDArray[T]:
        """Return a view of the rows, (rows, ...)."""
        return self._buffer[: self._rows]

    def append(self, row: Any) -> int:
        """Append a row and return its number."""
        if self._rows == len(self._buffer):
            # A new array: `values` that a search took before stay as they are
            capacity = int(GROWTH_FACTOR * self._rows) + 16  # 16, so that an empty array grows too
            grown = np.empty((capacity, *self._buffer.shape[1:]), self._buffer.dtype)
            grown[: self._rows] = self._buffer
            self._buffer = grown
        self._buffer[self._rows] = row
        self._rows += 1
        return self._rows - 1
