"""Metrics of recommended items: recall@k and NDCG@k as in Liang et al. (2018), coverage, novelty, popularity lift."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.core.arrays import Csr, Indices
from components.core.ranking_metrics import ndcg, recall

Floats = NDArray[np.floating[Any]]
Score = Callable[[Csr], Floats]


def rank_items(score: Score, history: Csr, k: int, batch_users: int) -> Indices:
    """Return the k best-scored items of each user that are not in the user's history.

    score: maps histories (b, i) to scores (b, i).
    batch_users: users scored at once; keep it below d, and no array is larger than items × d.
    Returns columns (u, min(k, i)), best first; -1 where no further item can be recommended.
    """
    k = min(k, history.shape[1])
    ranked = np.full((history.shape[0], k), -1, dtype=np.int64)
    for start in range(0, history.shape[0], batch_users):
        batch = history[start : start + batch_users]
        scores = score(batch)
        # a user's own items score highest and would fill the list
        scores[np.repeat(np.arange(batch.shape[0]), np.diff(batch.indptr)), batch.indices] = -np.inf
        ranked[start : start + batch_users] = top_columns(scores, k)
    return ranked


def top_columns(scores: Floats, k: int) -> Indices:
    """Return the columns of the k largest scores of each row (b, i), largest first; -1 in place of those at -inf."""
    if k < scores.shape[1]:  # argpartition takes no k at the end of a row
        columns = np.argpartition(-scores, k - 1, axis=1)[:, :k]
    else:
        columns = np.broadcast_to(np.arange(k), (len(scores), k))
    values = np.take_along_axis(scores, columns, axis=1)
    order = np.lexsort(
        (columns, -values), axis=1
    )  # ties by column, since argpartition leaves them in any order
    ranked = np.take_along_axis(columns, order, axis=1).astype(np.int64)
    ranked[np.isneginf(np.take_along_axis(values, order, axis=1))] = -1
    return ranked


def find_hits(ranked: Indices, held_out: Csr) -> NDArray[np.bool_]:
    """Return which of the ranked items (u, k) are held out."""
    width = held_out.shape[1]
    rows = np.repeat(np.arange(held_out.shape[0], dtype=np.int64), np.diff(held_out.indptr))
    # one number for each pair of user and item, so that one isin answers for all users
    relevant = rows * width + held_out.indices
    recommended = np.arange(len(ranked), dtype=np.int64)[:, None] * width + ranked
    hits: NDArray[np.bool_] = np.isin(recommended, relevant) & (ranked >= 0)
    return hits


def recall_per_user(hits: NDArray[np.bool_], held_out: Csr, k: int) -> NDArray[np.float64]:
    """Return the recall@k of each user: hits among the first k over min(k, held-out items)."""
    # min, as in Liang et al. (2018): a user with more than k held-out items can reach 1 too
    relevant = np.minimum(k, np.diff(held_out.indptr))
    return np.asarray(recall(hits[:, :k], relevant), dtype=np.float64)


def ndcg_per_user(hits: NDArray[np.bool_], held_out: Csr, k: int) -> NDArray[np.float64]:
    """Return the NDCG@k of each user with binary relevance."""
    ideal = np.arange(k) < np.diff(held_out.indptr)[:, None]
    return np.asarray(ndcg(hits[:, :k].astype(float), ideal.astype(float)), dtype=np.float64)


def coverage(ranked: Indices, n_trained: int) -> float:
    """Return the share of the trained items that are recommended to at least one user."""
    return len(np.unique(ranked[ranked >= 0])) / max(1, n_trained)


def novelty(ranked: Indices, popularity: Floats) -> float:
    """Return the mean information of recommended items in bits, −log₂ of an item's share of all interactions."""
    shares = popularity[ranked[ranked >= 0]]
    shares = shares[shares > 0]  # an item without interactions would make the mean infinite
    return float(-np.log2(shares).mean()) if len(shares) else 0.0


def popularity_lift(ranked: Indices, history: Csr, popularity: Floats) -> float:
    """Return the mean popularity of recommended items over that of the histories; popular items are pushed above 1."""
    recommended = ranked[ranked >= 0]
    if not history.nnz or not len(recommended):
        return 0.0
    before = float(popularity[history.indices].mean())
    return float(popularity[recommended].mean()) / before if before else 0.0


def evaluate_users(
    score: Score, history: Csr, held_out: Csr, batch_users: int
) -> dict[str, NDArray[np.float64]]:
    """Return recall@20, recall@50 and NDCG@100 of each user, (u,) each."""
    hits = find_hits(rank_items(score, history, 100, batch_users), held_out)
    return {
        "recall_20": recall_per_user(hits, held_out, 20),
        "recall_50": recall_per_user(hits, held_out, 50),
        "ndcg_100": ndcg_per_user(hits, held_out, 100),
    }


def factor_scorer(factors: Floats, neighbours: Csr | None = None) -> Score:
    """Return a scorer by xAAᵀ + xS."""
    # ELSA's −x is left out: it moves only the user's own items, which are masked when ranked
    if neighbours is None:
        return lambda rows: (rows @ factors) @ factors.T
    return lambda rows: (rows @ factors) @ factors.T + (rows @ neighbours).toarray()


def mean_ndcg_100(score: Score, history: Csr, held_out: Csr, batch_users: int) -> float:
    """Return the mean NDCG@100 over users; 0 where there are none."""
    if held_out.shape[0] == 0:
        return 0.0
    ranked = rank_items(score, history, 100, batch_users)
    return float(ndcg_per_user(find_hits(ranked, held_out), held_out, 100).mean())


def popularity_scorer(popularity: Floats) -> Score:
    """Return a scorer that gives every user the same scores."""
    return lambda rows: np.tile(popularity, (rows.shape[0], 1))
