"""The rule, one for all packages, of which interactions are positive implicit feedback."""

import numpy as np
import pandas as pd


def select_positives(interactions: pd.DataFrame, minimum_rating: float) -> pd.DataFrame:
    """Keep ratings from `minimum_rating` on, and clicks, views and purchases of any weight above 0."""
    # Stars may express dislike; a click or a purchase has no negative form
    least = np.where(interactions["kind"] == "rating", minimum_rating, 0)
    weight = interactions["weight"]
    return interactions[(weight >= least) & (weight > 0)]
