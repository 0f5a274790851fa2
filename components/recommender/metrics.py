"""How well ranked items meet held-out ones: recall@k and NDCG@k as in Liang et al. (2018), coverage and novelty."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.core.ranking_metrics import ndcg, recall
from components.recommender.interaction_matrix import Csr, Indices

Floats = NDArray[np.floating[Any]]
Score = Callable[[Csr], Floats]


def rank(score: Score, history: Csr, k: int, batch_users: int) -> Indices:
    """The k best-scored items of each user that are not in the user's history.

    score: maps histories (b, i) to scores (b, i).
    batch_users: users scored at once; keep it below d, and no array is larger than items × d.
    Returns (u, min(k, i)) columns, best first; -1 where a user has nothing left to be recommended.
    """
    k = min(k, history.shape[1])
    found = np.full((history.shape[0], k), -1, dtype=np.int64)
    for start in range(0, history.shape[0], batch_users):
        part = history[start : start + batch_users]
        scores = score(part)
        scores[np.repeat(np.arange(part.shape[0]), np.diff(part.indptr)), part.indices] = -np.inf
        found[start : start + batch_users] = best(scores, k)
    return found


def best(scores: Floats, k: int) -> Indices:
    """The columns of the k largest scores of each row (b, i), largest first; -1 in place of those at -inf."""
    if k < scores.shape[1]:
        columns = np.argpartition(-scores, k - 1, axis=1)[:, :k]
    else:
        columns = np.broadcast_to(np.arange(k), (len(scores), k))
    values = np.take_along_axis(scores, columns, axis=1)
    order = np.lexsort((columns, -values), axis=1)
    ranked = np.take_along_axis(columns, order, axis=1).astype(np.int64)
    ranked[np.isneginf(np.take_along_axis(values, order, axis=1))] = -1
    return ranked


def hits(ranked: Indices, held_out: Csr) -> NDArray[np.bool_]:
    """Which of the ranked items (u, k) are held out."""
    width = held_out.shape[1]
    rows = np.repeat(np.arange(held_out.shape[0], dtype=np.int64), np.diff(held_out.indptr))
    wanted = rows * width + held_out.indices
    asked = np.arange(len(ranked), dtype=np.int64)[:, None] * width + ranked
    found: NDArray[np.bool_] = np.isin(asked, wanted) & (ranked >= 0)
    return found


def recall_per_user(hit: NDArray[np.bool_], held_out: Csr, k: int) -> NDArray[np.float64]:
    """Recall@k of each user: hits among the first k over min(k, held-out items)."""
    relevant = np.minimum(k, np.diff(held_out.indptr))
    return np.asarray(recall(hit[:, :k], relevant), dtype=np.float64)


def ndcg_per_user(hit: NDArray[np.bool_], held_out: Csr, k: int) -> NDArray[np.float64]:
    """NDCG@k of each user with binary relevance."""
    ideal = np.arange(k) < np.diff(held_out.indptr)[:, None]
    return np.asarray(ndcg(hit[:, :k].astype(float), ideal.astype(float)), dtype=np.float64)


def coverage(ranked: Indices, trained: int) -> float:
    """Share of the trained items that are recommended to at least one user."""
    return len(np.unique(ranked[ranked >= 0])) / max(1, trained)


def novelty(ranked: Indices, popularity: Floats) -> float:
    """Mean information in bits of what is recommended, −log₂ of an item's share of all interactions."""
    shares = popularity[ranked[ranked >= 0]]
    shares = shares[shares > 0]
    return float(-np.log2(shares).mean()) if len(shares) else 0.0


def popularity_lift(ranked: Indices, history: Csr, popularity: Floats) -> float:
    """Mean popularity of what is recommended over that of what the users had: above 1, popular items are pushed."""
    had = float(popularity[history.indices].mean()) if history.nnz else 0.0
    return float(popularity[ranked[ranked >= 0]].mean()) / had if had and (ranked >= 0).any() else 0.0


def per_user(score: Score, history: Csr, held_out: Csr, batch_users: int) -> dict[str, NDArray[np.float64]]:
    """Recall@20, recall@50 and NDCG@100 of each user, (u,) each."""
    hit = hits(rank(score, history, 100, batch_users), held_out)
    return {
        "recall_20": recall_per_user(hit, held_out, 20),
        "recall_50": recall_per_user(hit, held_out, 50),
        "ndcg_100": ndcg_per_user(hit, held_out, 100),
    }


def factor_scorer(factors: Floats, neighbours: Csr | None = None) -> Score:
    """The prediction xAAᵀ + xS; what is in x is masked when ranked, so ELSA's −x makes no difference."""
    if neighbours is None:
        return lambda rows: (rows @ factors) @ factors.T
    return lambda rows: (rows @ factors) @ factors.T + (rows @ neighbours).toarray()


def mean_ndcg_100(score: Score, history: Csr, held_out: Csr, batch_users: int) -> float:
    """NDCG@100 over users; 0 where there are none."""
    if held_out.shape[0] == 0:
        return 0.0
    ranked = rank(score, history, 100, batch_users)
    return float(ndcg_per_user(hits(ranked, held_out), held_out, 100).mean())


def popularity_scorer(popularity: Floats) -> Score:
    """The same scores for everybody."""
    return lambda rows: np.tile(popularity, (rows.shape[0], 1))
