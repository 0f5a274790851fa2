"""Signatures of clips: the vectors by which films, scenes and shots are compared.

Square roots, with the number's sign, keep the few large numbers of features and histograms from deciding alone how
similar two films are.
"""

import numpy as np
from numpy.typing import NDArray

from components.core.linear_algebra import unit_rows

Floats = NDArray[np.float32]


def signed_root(values: NDArray[np.floating]) -> Floats:
    """Return the square roots of absolute values (..., d), with their signs."""
    # I3D's features are never negative, those of another clip_network may be
    return (np.sign(values) * np.sqrt(np.abs(values))).astype(np.float32)


def clip_signatures(clips: Floats, colours: Floats, colour_weight: float) -> Floats:
    """Return clips (c, d) and colours (c, 64) as unit vectors (c, d + 64)."""
    return unit_rows(
        np.hstack([unit_rows(signed_root(clips)), colour_weight * unit_rows(signed_root(colours))])
    )
