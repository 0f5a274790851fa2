"""Arrays that rows are added to while they are in use."""

from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T", bound=np.generic)
GROWTH = 1.5


class GrowableArray(Generic[T]):
    """An array (rows, ...) with room to grow; `values` is what it holds now, and may be written to."""

    def __init__(self, values: NDArray[T]) -> None:
        self._held, self._rows = np.array(values), len(values)

    @property
    def values(self) -> NDArray[T]:
        """The rows so far, (rows, ...)."""
        return self._held[: self._rows]

    def append(self, row: Any) -> int:
        """Add a row and give its number."""
        if self._rows == len(self._held):
            room = np.empty((int(GROWTH * self._rows) + 16, *self._held.shape[1:]), self._held.dtype)
            room[: self._rows] = self._held
            self._held = room
        self._held[self._rows] = row
        self._rows += 1
        return self._rows - 1
