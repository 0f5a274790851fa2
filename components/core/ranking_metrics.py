"""Ranking metrics: NDCG, recall and reciprocal rank of each query, and bootstrap intervals of their means.

The gain is the grade itself, as in Liang et al. (Variational Autoencoders for Collaborative Filtering, WWW 2018).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Hits = NDArray[np.bool_]


def discounted_gain(gains: Floats) -> Floats:
    """Sum gains in ranked order (…, k), each divided by log₂(rank + 1), to (…)."""
    discounts = 1 / np.log2(np.arange(2, gains.shape[-1] + 2))
    total: Floats = gains @ discounts
    return total


def ndcg(gains: Floats, ideal: Floats) -> Floats:
    """Normalise the discounted gain of ranked gains (…, k) by that of the ideal ranking (…, k'); 0 where that is 0."""
    best = discounted_gain(ideal)
    normalised: Floats = discounted_gain(gains) / np.where(best > 0, best, 1)
    return normalised


def recall(hits: Hits, relevant: NDArray[np.integer[Any]]) -> Floats:
    """Return the share of each query's relevant items, counted in `relevant` (q,), among its ranked hits (q, k)."""
    shares: Floats = hits.sum(axis=-1) / np.maximum(relevant, 1)
    return shares


def reciprocal_rank(hits: Hits) -> Floats:
    """Return 1 / rank of the first hit (q, k), 0 where there is none."""
    # argmax is 0 for a row without hits, as for one whose first item is a hit
    return np.where(hits.any(axis=-1), 1 / (hits.argmax(axis=-1) + 1), 0.0)


def ranked_grades(scores: Floats, grades: Floats, k: int) -> Floats:
    """Return the grades (q, k) of the k items with the highest scores (q, i); ties keep the items' order."""
    # A stable sort, so that ties rank alike on every machine
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(grades, order, axis=1)


def mean_ndcg(scores: Floats, grades: Floats, k: int) -> float:
    """Return the mean NDCG@k over queries from scores and grades (q, i); grade 0 is not relevant."""
    return float(np.mean(ndcg(ranked_grades(scores, grades, k), ranked_grades(grades, grades, k))))


def mean_recall(scores: Floats, grades: Floats, k: int) -> float:
    """Return the mean recall@k over queries from scores and grades (q, i)."""
    return float(np.mean(recall(ranked_grades(scores, grades, k) > 0, (grades > 0).sum(axis=1))))


def mean_reciprocal_rank(scores: Floats, grades: Floats, k: int) -> float:
    """Return MRR@k over queries from scores and grades (q, i)."""
    return float(np.mean(reciprocal_rank(ranked_grades(scores, grades, k) > 0)))


def bootstrap_means(values: NDArray[np.float64], samples: int, seed: int) -> NDArray[np.float64]:
    """Return the means (samples,) of values (n,) resampled with replacement (Efron, 1979)."""
    draw = np.random.default_rng(seed)
    # One sample at a time, so that memory holds n values and not samples × n
    return np.array([values[draw.integers(0, len(values), len(values))].mean() for _ in range(samples)])


def bootstrap_interval(values: NDArray[np.float64], samples: int, seed: int) -> tuple[float, float]:
    """Return the 95 % percentile bootstrap interval of the mean of values (n,)."""
    low, high = np.percentile(bootstrap_means(values, samples, seed), [2.5, 97.5])
    return float(low), float(high)
