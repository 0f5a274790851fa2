"""Recommendations for people that no training has seen: any history, with weights, ages and the person's own words."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from components.recommender.factors import ItemFactors
from components.recommender.interaction_matrix import Floats
from components.recommender.metrics import best
from components.recommender.settings import RecommenderError


def decayed(ages_days: Sequence[float], half_life_days: float) -> list[float]:
    """Weights that halve with every half-life: 1 today, 0.5 a half-life ago."""
    return [0.5 ** (max(0.0, age) / half_life_days) for age in ages_days]


def taste_of_text(factors: ItemFactors, vector: Floats) -> Floats:
    """Where a person's own words stand among the items' factors, (d,).

    vector: the text's, from the encoder of the items' texts. Raises RecommenderError where no map was learnt.
    """
    if factors.content is None:
        raise RecommenderError(
            "These factors have no map from texts, as nobody has acted on any item. Run cold_start with interactions."
        )
    return factors.content(vector[None])[0]


def recommend(
    factors: ItemFactors,
    history: Sequence[str],
    k: int,
    weights: Sequence[float] | None = None,
    taste: Floats | None = None,
    allowed: NDArray[np.bool_] | None = None,
) -> list[tuple[str, float]]:
    """The k best items that are not in a history, with their scores; popular ones where nothing is known.

    weights: how much each item of the history counts. taste: (d,), counts as one more item of the history.
    allowed: (i,), what may be recommended. A history of unknown items alone says nothing.
    """
    user = factors.user_row(history, weights)
    scores = factors.predict(user)[0] if user.nnz else np.zeros(len(factors.item_ids), np.float32)
    if taste is not None:
        scores = scores + factors.scores(taste)
    elif not user.nnz:
        scores = factors.popularity.copy()
    scores[user.indices] = -np.inf
    if allowed is not None:
        scores[~allowed] = -np.inf
    rows = best(scores[None], min(k, len(scores)))[0]
    return [(str(factors.item_ids[row]), float(scores[row])) for row in rows if row >= 0]
