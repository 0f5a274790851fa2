"""Measures against scikit-learn and against counts by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score

from components.core.ranking_metrics import mean_ndcg, mean_recall, mean_reciprocal_rank, ranked_grades

SCORES = np.array([[0.9, 0.8, 0.7, 0.6], [0.1, 0.2, 0.3, 0.4]])
GRADES = np.array([[0, 3, 0, 1], [1, 0, 0, 0]])


@pytest.mark.parametrize("k", [1, 3, 10, 50])
def test_ndcg_is_scikit_learns(k):
    draw = np.random.default_rng(k)
    scores, grades = draw.permuted(np.tile(np.arange(50.0), (20, 1)), axis=1), draw.integers(0, 4, (20, 50))
    assert mean_ndcg(scores, grades, k) == pytest.approx(ndcg_score(grades, scores, k=k), abs=1e-9)


def test_measures_are_what_one_counts_by_hand():
    assert ranked_grades(SCORES, GRADES, 2).tolist() == [[0, 3], [0, 0]]
    assert mean_recall(SCORES, GRADES, 2) == pytest.approx((1 / 2 + 0) / 2)
    assert mean_recall(SCORES, GRADES, 4) == 1
    assert mean_reciprocal_rank(SCORES, GRADES, 4) == pytest.approx((1 / 2 + 1 / 4) / 2)
    assert mean_reciprocal_rank(SCORES, GRADES, 3) == pytest.approx((1 / 2 + 0) / 2)
    first = (3 / np.log2(3) + 1 / np.log2(5)) / (3 + 1 / np.log2(3))
    assert mean_ndcg(SCORES, GRADES, 4) == pytest.approx((first + 1 / np.log2(5)) / 2)


def test_a_query_that_nothing_fits_counts_zero():
    nothing = np.zeros_like(GRADES)
    assert (
        mean_ndcg(SCORES, nothing, 10)
        == mean_recall(SCORES, nothing, 10)
        == mean_reciprocal_rank(SCORES, nothing, 10)
        == 0
    )


def test_equal_scores_keep_the_items_order():
    assert ranked_grades(np.zeros((1, 4)), GRADES[:1], 4).tolist() == [[0, 3, 0, 1]]


@given(st.integers(0, 2**32), st.integers(1, 12))
def test_measures_lie_between_0_and_1_and_are_1_for_the_perfect_order(seed, k):
    draw = np.random.default_rng(seed)
    scores, grades = draw.normal(size=(3, 10)), draw.integers(0, 4, (3, 10))
    grades[:, 0] = 1
    for measure in (mean_ndcg, mean_recall, mean_reciprocal_rank):
        assert 0 <= measure(scores, grades, k) <= 1
    assert mean_ndcg(grades, grades, k) == pytest.approx(1)
    assert mean_reciprocal_rank(grades, grades, k) == 1
