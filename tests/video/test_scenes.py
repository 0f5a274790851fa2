"""Scenes: the grouping is the best one there is, and distances are of what is known of two shots."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from components.video.scenes import find_scenes, group_shots, shot_distances, shot_weights
from components.video.settings import VideoSettings

squares = st.integers(1, 8).flatmap(lambda n: arrays(np.float64, (n, n), elements=st.floats(0, 1)))
prices = st.floats(0.1, 3)


def symmetric(square):
    distance = (square + square.T) / 2
    np.fill_diagonal(distance, 0)
    return distance


def spans(lengths):
    ends = np.cumsum(lengths, dtype=np.float64)
    return np.stack([ends - lengths, ends], axis=1)


def film(shots, seed=0):
    """Colours, clips, sound and seconds of shots that have nothing in common."""
    random = np.random.default_rng(seed)
    colours, clips = random.dirichlet(np.ones(64), shots), random.random((shots, 16))
    return colours, clips, random.normal(size=(shots, 8)), spans(random.uniform(1, 9, shots))


def cost(distance, seconds, price, starts):
    weights = shot_weights(seconds)
    weighted = distance * np.outer(weights, weights)
    each = price * weighted.sum() / weights.sum() ** 2
    bounds = zip(starts, [*starts[1:], len(distance)], strict=True)
    return sum(weighted[a:b, a:b].sum() / weights[a:b].sum() + each for a, b in bounds)


@settings(deadline=None)
@given(squares, prices, st.data())
def test_no_other_grouping_is_better(square, price, data):
    distance, shots = symmetric(square), len(square)
    seconds = spans(data.draw(st.lists(st.floats(0.04, 60), min_size=shots, max_size=shots)))
    starts = group_shots(distance, seconds, price)
    assert starts[0] == 0 and starts == sorted(set(starts))
    others = (inner for count in range(shots) for inner in combinations(range(1, shots), count))
    best = min(cost(distance, seconds, price, [0, *inner]) for inner in others)
    assert cost(distance, seconds, price, starts) == pytest.approx(best, abs=1e-9)


@given(squares, prices, prices)
def test_a_higher_price_never_finds_more_scenes(square, price, more):
    distance, seconds = symmetric(square), spans(np.ones(len(square)))
    assert len(group_shots(distance, seconds, price + more)) <= len(group_shots(distance, seconds, price))


@given(squares, prices)
def test_units_of_distance_and_time_do_not_matter(square, price):
    distance, seconds = symmetric(square), spans(np.arange(1, len(square) + 1))
    assert group_shots(distance, seconds, price) == group_shots(distance * 4, seconds * 16, price)


@settings(deadline=None)
@given(st.lists(st.integers(4, 9), min_size=2, max_size=6), st.integers(0, 100))
def test_plain_blocks_are_counted_and_found(sizes, seed):
    owner = np.repeat(np.arange(len(sizes)), sizes)
    noise = np.random.default_rng(seed).uniform(0, 0.02, (len(owner), len(owner)))
    distance = symmetric(np.where(owner[:, None] == owner, 0.05, 0.95) + noise)
    found = group_shots(distance, spans(np.ones(len(owner))), VideoSettings().scene_penalty)
    assert found == [0, *np.cumsum(sizes)[:-1]]


@pytest.mark.parametrize("shots", [1, 2, 7])
def test_shots_that_do_not_differ_are_one_scene(shots):
    assert group_shots(np.zeros((shots, shots)), spans(np.ones(shots)), 0.85) == [0]


@given(st.integers(1, 6), st.integers(0, 100))
def test_distances_are_symmetric_not_negative_and_none_to_itself(shots, seed):
    found = shot_distances(*film(shots, seed), 0.2)
    np.testing.assert_allclose(found, found.T, atol=1e-12)
    np.testing.assert_allclose(np.diag(found), 0, atol=1e-6)
    assert (found >= 0).all()


def test_sound_that_is_absent_leaves_the_distance_to_picture_and_time():
    colours, clips, sound, seconds = film(5)
    seen = shot_distances(colours, clips, sound, seconds, 0)
    np.testing.assert_array_equal(shot_distances(colours, clips, sound * np.nan, seconds, 0.2), seen)
    sound[3] = np.nan
    partly = shot_distances(colours, clips, sound, seconds, 0.2)
    known = np.ix_([0, 1, 2, 4], [0, 1, 2, 4])
    np.testing.assert_array_equal(partly[3], seen[3])
    assert not np.isclose(partly[known], seen[known])[~np.eye(4, dtype=bool)].any()


@pytest.mark.parametrize("view", ["colours", "clips", "sound"])
def test_each_view_alone_can_part_scenes(view):
    shots = 12
    colours, clips, sound = np.full((shots, 4), 0.25), np.ones((shots, 3)), np.full((shots, 2), -5.0)
    second = np.arange(shots) >= 6
    changed = {"colours": (colours, [1, 0, 0, 0]), "clips": (clips, [0, 0, 2]), "sound": (sound, [3, 1])}
    array, value = changed[view]
    array[second] = value
    shot_table = pd.DataFrame(
        {"colour": list(colours), "start_seconds": np.arange(shots), "end_seconds": np.arange(shots) + 1.0}
    )
    owner = np.repeat(np.arange(shots), 2)  # two clips of each shot
    seen = {"clip_shot": owner, "clip_features": clips[owner].astype(np.float32)}
    heard = {"audio_features": sound.astype(np.float32)}
    found = find_scenes(shot_table, seen, heard, VideoSettings(scene_penalty=2, scene_sound_weight=1))
    assert found == [0, 6]
