"""Recommendations for users outside the training: by a weighted history, a text, or popularity."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from components.core.arrays import Floats
from components.recommender.factors import ItemFactors
from components.recommender.metrics import top_columns
from components.recommender.settings import RecommenderError


def decay_weights(ages_days: Sequence[float], half_life_days: float) -> list[float]:
    """Return weights that halve with every half-life: 1 today, 0.5 a half-life ago."""
    # a clock that runs ahead gives negative ages, which must not weigh more than 1
    return [0.5 ** (max(0.0, age) / half_life_days) for age in ages_days]


def embed_text(factors: ItemFactors, vector: Floats) -> Floats:
    """Return the user embedding of a text, (d,), among the items' factors.

    vector: the text's, from the encoder of the items' texts. Raises RecommenderError where no regression was fitted.
    """
    if factors.content is None:
        raise RecommenderError(
            "These factors have no map from texts, as nobody has acted on any item. Run cold_start with interactions."
        )
    return factors.content(vector[None])[0]


def recommend_items(
    factors: ItemFactors,
    history: Sequence[str],
    k: int,
    weights: Sequence[float] | None = None,
    text_embedding: Floats | None = None,
    allowed: NDArray[np.bool_] | None = None,
) -> list[tuple[str, float]]:
    """Return the k best items that are not in a history, with their scores; popular ones for an empty history.

    weights: how much each item of the history counts. text_embedding: (d,), counts as one more item of the history.
    allowed: (i,), what may be recommended. Unknown items count for nothing.
    """
    user = factors.user_row(history, weights)
    scores = factors.predict(user)[0] if user.nnz else np.zeros(len(factors.item_ids), np.float32)
    if text_embedding is not None:
        scores = scores + factors.scores(text_embedding)
    elif not user.nnz:
        scores = factors.popularity.copy()
    scores[user.indices] = -np.inf  # the user has these already
    if allowed is not None:
        scores[~allowed] = -np.inf
    rows = top_columns(scores[None], min(k, len(scores)))[0]
    return [(str(factors.item_ids[row]), float(scores[row])) for row in rows if row >= 0]
