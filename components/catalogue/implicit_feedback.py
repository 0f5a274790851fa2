"""Which interactions tell of liking: the one rule that every room goes by."""

import numpy as np
import pandas as pd


def liked(interactions: pd.DataFrame, minimum_rating: float) -> pd.DataFrame:
    """Keep ratings from `minimum_rating` on, and clicks, views and purchases of any weight above 0."""
    least = np.where(interactions["kind"] == "rating", minimum_rating, 0)
    weight = interactions["weight"]
    return interactions[(weight >= least) & (weight > 0)]
