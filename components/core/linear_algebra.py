"""Linear algebra that several packages share."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]


def unit_rows(vectors: Floats) -> NDArray[np.float32]:
    """Scale the vectors along the last axis to length 1; zeros stay zeros."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    # A division by 0 would turn a row of zeros into NaN
    return (vectors / np.where(lengths > 0, lengths, 1)).astype(np.float32)


def principal_directions(gram: Floats) -> tuple[Floats, Floats]:
    """Find the directions of largest variance: a PCA without centring.

    gram: the products XᵀX of vectors X (n, d). Returns the squared lengths (d,) along the directions and the directions
    (d, d), one a column, the longest first.
    """
    lengths, directions = np.linalg.eigh(gram)
    # eigh returns eigenvalues in ascending order
    return lengths[::-1], directions[:, ::-1]
