"""Scenes: the grouping is the best one there is, and the elbow finds plain blocks."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from components.video.scenes import distances, elbow, group

squares = st.integers(1, 8).flatmap(lambda n: arrays(np.float64, (n, n), elements=st.floats(0, 1)))


def cost(distance, starts):
    bounds = zip(starts, [*starts[1:], len(distance)], strict=True)
    return sum(distance[start:end, start:end].sum() / (end - start) for start, end in bounds)


@settings(deadline=None)
@given(squares, st.data())
def test_no_grouping_of_as_many_scenes_is_better(square, data):
    distance = (square + square.T) / 2
    n_scenes = data.draw(st.integers(1, len(distance)))
    starts = group(distance, n_scenes)
    assert starts[0] == 0 and len(starts) == n_scenes and starts == sorted(set(starts))
    every = combinations(range(1, len(distance)), n_scenes - 1)
    best = min(cost(distance, [0, *inner]) for inner in every)
    assert cost(distance, starts) == pytest.approx(best, abs=1e-9)


@pytest.mark.parametrize("n_scenes", [0, 4])
def test_more_scenes_than_shots_or_none_is_an_error(n_scenes):
    with pytest.raises(ValueError, match=f"{n_scenes} scenes of 3 shots"):
        group(np.zeros((3, 3)), n_scenes)


@settings(deadline=None)
@given(st.lists(st.integers(4, 9), min_size=2, max_size=6), st.integers(0, 100))
def test_plain_blocks_are_counted_and_found(sizes, seed):
    owner = np.repeat(np.arange(len(sizes)), sizes)
    noise = np.random.default_rng(seed).uniform(0, 0.02, (len(owner), len(owner)))
    distance = np.where(owner[:, None] == owner, 0.05, 0.95) + (noise + noise.T) / 2
    np.fill_diagonal(distance, 0)
    assert elbow(distance) == len(sizes)
    assert group(distance, len(sizes)) == [0, *np.cumsum(sizes)[:-1]]


@given(squares)
def test_the_elbow_is_a_number_of_scenes_that_the_shots_allow(square):
    assert 1 <= elbow((square + square.T) / 2) <= len(square)


def test_distances_are_symmetric_and_none_to_itself():
    colours = np.random.default_rng(0).dirichlet(np.ones(64), 5)
    found = distances(colours)
    np.testing.assert_allclose(found, found.T)
    np.testing.assert_allclose(np.diag(found), 0, atol=1e-12)
    assert found.max() <= 1
