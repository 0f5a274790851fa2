"""The sparse part: EASE where every item is a neighbour, few weights where not, and the same scores everywhere."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from components.core.arrays import Csr
from components.recommender.factors import ItemFactors
from components.recommender.metrics import factor_scorer
from components.recommender.settings import RecommenderSettings
from components.recommender.sparse_neighbours import find_neighbours, fit_neighbours
from components.recommender.train import fit


def histories(seed: int, users: int = 30, items: int = 12, share: float = 0.4) -> Csr:
    draw = np.random.default_rng(seed)
    return Csr((draw.random((users, items)) < share).astype(np.float32))


def ease(users: Csr, penalty: float) -> np.ndarray:
    inverse = np.linalg.inv(users.toarray().T @ users.toarray() + penalty * np.eye(users.shape[1]))
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0)
    return weights


@given(seed=st.integers(0, 1000), ridge=st.floats(0.05, 5), block=st.integers(1, 12))
@settings(deadline=None, max_examples=30)
def test_with_every_item_for_a_neighbour_it_is_ease(seed, ridge, block):
    users = histories(seed, users=60, share=0.6)
    penalty = ridge * users.sum() / users.shape[1]
    np.testing.assert_allclose(
        fit_neighbours(users, 11, ridge, block).toarray(), ease(users, penalty), atol=1e-4
    )


@given(seed=st.integers(0, 1000), count=st.integers(1, 20), block=st.integers(1, 20))
@settings(deadline=None, max_examples=30)
def test_no_item_is_predicted_by_itself_or_by_more_than_its_nearest(seed, count, block):
    users = histories(seed, share=0.15)
    weights = fit_neighbours(users, count, 0.3, block)
    assert not weights.diagonal().any()
    assert (np.diff(weights.tocsc().indptr) <= count).all()
    dense = users.toarray()
    length = np.linalg.norm(dense, axis=0)
    cosines = (dense.T @ dense) / np.maximum(np.outer(length, length), 1e-9)
    np.fill_diagonal(cosines, 0)
    near = find_neighbours(users, count, block)
    best = -np.sort(-cosines, axis=1)[:, :count].sum(axis=1)
    np.testing.assert_allclose(np.asarray(near.sum(axis=1)).ravel(), best, rtol=1e-5)


def test_items_that_nobody_met_have_no_neighbours():
    users = sparse.csr_matrix(np.array([[1, 1, 0], [1, 1, 0]], dtype=np.float32))
    weights = fit_neighbours(users, 2, 0.1, 2).toarray()
    assert weights[0, 1] > 0.5
    assert not weights[2].any() and not weights[:, 2].any()


@pytest.fixture(scope="module")
def trained() -> ItemFactors:
    users = histories(7, users=80, items=20)
    few = RecommenderSettings(dimensions=4, epochs=3, neighbours=5, batch_size=20)
    result = fit(users, histories(8, users=20, items=20), few)
    ids = np.array([f"i{item}" for item in range(20)], dtype=object)
    return ItemFactors(ids, result.factors, np.ones(20, np.int64), np.zeros(20, bool), result.neighbours)


def test_factors_and_sparse_part_come_back_from_their_folder(trained, tmp_path):
    trained.save(tmp_path)
    again = ItemFactors.load(tmp_path)
    users = histories(9, users=4, items=20)
    np.testing.assert_array_equal(again.predict(users), trained.predict(users))
    np.testing.assert_allclose(
        again.predict(users), factor_scorer(trained.matrix, trained.neighbours)(users), rtol=1e-5
    )


def test_factors_and_what_is_beside_them_make_the_prediction(trained):
    rows, weights = np.array([2, 5, 9]), np.array([1, 0.5, 2], np.float32)
    user = trained.user_row([f"i{row}" for row in rows], weights.tolist())
    by_parts = trained.scores(weights @ trained.matrix[rows])
    spoken, added = trained.score_neighbours(rows, weights)
    by_parts[spoken] += added
    np.testing.assert_allclose(by_parts, trained.predict(user)[0], rtol=1e-4, atol=1e-5)
    alone = ItemFactors(trained.item_ids, trained.matrix, trained.interactions, trained.cold)
    assert not len(alone.score_neighbours(rows, weights)[0])


def test_over_other_items_the_scores_move_with_their_items(trained):
    ids = np.array(["new", *trained.item_ids[::-1], "newer"], dtype=object)
    moved = trained.align_to(ids)
    assert moved.cold.tolist() == [True, *[False] * 20, True]
    history = ["i3", "i4", "gone", "i17"]
    scores = moved.predict(moved.user_row(history))[0]
    np.testing.assert_allclose(
        scores[1:-1][::-1], trained.predict(trained.user_row(history))[0], rtol=1e-4, atol=1e-5
    )
    assert scores[0] == scores[-1] == 0
