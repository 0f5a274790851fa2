"""Measures of a ranking against judgements: NDCG@k, Recall@k, MRR@k, averaged over queries.

scores: (q, i), higher is better; equal scores keep the items' order. grades: (q, i), 0 = does not fit.
"""

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.floating]


def ranked_grades(scores: Matrix, grades: Matrix, k: int) -> Matrix:
    """Grades of the first k items of each query, best first."""
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(grades, order, axis=1)


def ndcg(scores: Matrix, grades: Matrix, k: int) -> float:
    """Normalised discounted cumulative gain with gain = grade."""
    found, ideal = ranked_grades(scores, grades, k), ranked_grades(grades, grades, k)
    discount = 1 / np.log2(np.arange(2, found.shape[1] + 2))
    return float(np.mean((found @ discount) / np.maximum(ideal @ discount, 1e-12)))


def recall(scores: Matrix, grades: Matrix, k: int) -> float:
    """Share of the fitting items that are among the first k."""
    found = (ranked_grades(scores, grades, k) > 0).sum(axis=1)
    return float(np.mean(found / np.maximum((grades > 0).sum(axis=1), 1)))


def mrr(scores: Matrix, grades: Matrix, k: int) -> float:
    """Mean of 1 / rank of the first fitting item, 0 where none is among the first k."""
    fits = ranked_grades(scores, grades, k) > 0
    return float(np.mean(np.where(fits.any(axis=1), 1 / (fits.argmax(axis=1) + 1), 0)))
