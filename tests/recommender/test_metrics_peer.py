"""Metrics beside RecTools' on the same lists, where that package is installed."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from components.recommender.metrics import find_hits, ndcg_per_user, rank_items, recall_per_user

peer = pytest.importorskip("rectools.metrics", reason="needs the package rectools")

USERS, ITEMS = 500, 300


@pytest.fixture(scope="module")
def lists() -> tuple[np.ndarray, sparse.csr_matrix]:
    """A hundred ranked items of each user, none of which is in the history, and 1 to about 20 held-out ones."""
    draw = np.random.default_rng(0)
    truth = draw.random((USERS, ITEMS)) < draw.uniform(0.001, 0.07, (USERS, 1))
    truth[np.arange(USERS), draw.integers(0, ITEMS, USERS)] = True
    history = sparse.csr_matrix(((draw.random((USERS, ITEMS)) < 0.1) & ~truth).astype(np.float32))
    scores = draw.random((USERS, ITEMS)) + 0.3 * truth
    ranked = rank_items(lambda rows: scores.copy(), history, 100, USERS)
    return ranked, sparse.csr_matrix(truth.astype(np.float32))


def as_tables(ranked: np.ndarray, truth: sparse.csr_matrix) -> tuple[pd.DataFrame, pd.DataFrame]:
    users = np.repeat(np.arange(len(ranked)), ranked.shape[1])
    places = np.tile(np.arange(1, ranked.shape[1] + 1), len(ranked))
    recommended = pd.DataFrame({"user_id": users, "item_id": ranked.ravel(), "rank": places})
    rows, columns = truth.nonzero()
    return recommended, pd.DataFrame({"user_id": rows, "item_id": columns})


@pytest.mark.parametrize("k", [5, 20, 50, 100])
def test_ndcg_of_each_user_equals_rectools(lists, k):
    ranked, truth = lists
    theirs = peer.NDCG(k=k, divide_by_achievable=True).calc_per_user(*as_tables(ranked, truth))
    np.testing.assert_allclose(
        ndcg_per_user(find_hits(ranked, truth), truth, k), theirs.sort_index(), atol=1e-12
    )


@pytest.mark.parametrize("k", [5, 20, 50, 100])
def test_recall_of_each_user_equals_rectools_over_what_k_items_can_hold(lists, k):
    ranked, truth = lists
    theirs = peer.Recall(k=k).calc_per_user(*as_tables(ranked, truth)).sort_index()
    held_out = np.diff(truth.indptr)
    # RecTools divides by all held-out items, Liang et al. by no more than k
    expected = theirs * held_out / np.minimum(held_out, k)
    np.testing.assert_allclose(recall_per_user(find_hits(ranked, truth), truth, k), expected, atol=1e-12)
