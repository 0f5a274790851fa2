"""Signatures of clips: what films, scenes and shots are compared by.

Square roots, with the number's sign, keep the few large numbers of features and histograms from deciding alone how alike
two films are.
"""

import numpy as np
from numpy.typing import NDArray

from components.core.linear_algebra import unit_rows

Floats = NDArray[np.float32]


def signed_root(values: NDArray[np.floating]) -> Floats:
    """Square roots of values (..., d), with their signs."""
    return (np.sign(values) * np.sqrt(np.abs(values))).astype(np.float32)


def clip_signatures(clips: Floats, colours: Floats, colour_weight: float) -> Floats:
    """Clips (n, d) and colours (n, 64) as unit vectors (n, d + 64)."""
    return unit_rows(
        np.hstack([unit_rows(signed_root(clips)), colour_weight * unit_rows(signed_root(colours))])
    )
