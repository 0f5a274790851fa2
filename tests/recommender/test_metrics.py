"""Metrics beside scikit-learn and a count by hand."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from sklearn.metrics import ndcg_score

from components.core.ranking_metrics import bootstrap_interval
from components.recommender.metrics import (
    coverage,
    find_hits,
    ndcg_per_user,
    novelty,
    popularity_lift,
    rank_items,
    recall_per_user,
)


def scores_and_truth(seed: int) -> tuple[np.ndarray, sparse.csr_matrix]:
    draw = np.random.default_rng(seed)
    truth = draw.random((6, 40)) < 0.2
    truth[:, 0] = True
    return draw.random((6, 40)), sparse.csr_matrix(truth.astype(np.float32))


@given(seed=st.integers(0, 10_000), k=st.sampled_from([1, 5, 20, 100]))
def test_metrics_equal_their_peers(seed, k):
    scores, truth = scores_and_truth(seed)
    nothing = sparse.csr_matrix(scores.shape, dtype=np.float32)
    hit = find_hits(rank_items(lambda rows: scores.copy(), nothing, k, 6), truth)
    dense = truth.toarray()
    # scikit-learn takes the best of all relevant items for ideal, cut at k: the same
    np.testing.assert_allclose(ndcg_per_user(hit, truth, k).mean(), ndcg_score(dense, scores, k=k))
    by_hand = [
        len(set(np.argsort(-scores[user])[:k]) & set(np.flatnonzero(dense[user]))) / min(k, dense[user].sum())
        for user in range(6)
    ]
    np.testing.assert_allclose(recall_per_user(hit, truth, k), by_hand)


def test_what_a_user_has_is_never_recommended():
    scores, history = scores_and_truth(0)
    ranked = rank_items(lambda rows: scores[: rows.shape[0]].copy(), history, 100, 6)
    for user in range(6):
        own = set(history[user].indices)
        assert not own & set(ranked[user])
        assert (ranked[user] >= 0).sum() == 40 - len(own)


def test_the_interval_holds_the_mean_and_narrows_with_users():
    draw = np.random.default_rng(0)
    few, many = draw.random(50), draw.random(5000)
    (low, high), (nearer_low, nearer_high) = bootstrap_interval(few, 500, 0), bootstrap_interval(many, 500, 0)
    assert low < few.mean() < high
    assert nearer_high - nearer_low < (high - low) / 5


def test_rare_items_are_novel_and_popular_ones_are_a_lift():
    popularity = np.array([0.5, 0.25, 0.125, 0.125])
    history = sparse.csr_matrix(np.array([[0, 1, 0, 0], [0, 1, 0, 0]], dtype=np.float32))
    popular, rare = np.array([[0, -1], [0, -1]]), np.array([[2, 3], [3, -1]])
    assert (novelty(popular, popularity), novelty(rare, popularity)) == (1, 3)
    assert popularity_lift(popular, history, popularity) == 2
    assert popularity_lift(rare, history, popularity) == 0.5
    assert (coverage(popular, 4), coverage(rare, 4)) == (0.25, 0.5)
    nothing = np.full((2, 2), -1)
    assert (novelty(nothing, popularity), popularity_lift(nothing, history, popularity)) == (0, 0)
