"""Likeness of films: a film that holds another's scenes is found, and pairs of scenes say why."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from components.core.linear_algebra import unit_rows
from components.video.film_vectors import pool_film
from components.video.settings import VideoSettings
from components.video.similar_films import find_nearest, find_scene_pairs, match_scenes


def scenes(count, seed):
    return unit_rows(np.random.default_rng(seed).uniform(size=(count, 16)).astype(np.float32))


@given(st.integers(1, 8), st.integers(1, 8), st.integers(0, 99))
def test_a_film_within_a_longer_one_matches_it_wholly(count, rest, seed):
    one = scenes(count, seed)
    longer = np.vstack([scenes(rest, seed + 1), one])
    assert match_scenes(one, longer) > 0.999 >= match_scenes(one, scenes(rest, seed + 2))
    order = np.random.default_rng(seed).permutation(len(longer))
    assert abs(match_scenes(one, longer) - match_scenes(one, longer[order])) < 1e-6


@given(st.integers(1, 8), st.integers(1, 8), st.integers(0, 99))
def test_pairs_are_of_scenes_that_there_are_the_most_alike_first(count, other, seed):
    one, two = scenes(count, seed), scenes(other, seed + 1)
    found = find_scene_pairs(one, two)
    assert len(found) == min(count, 3) == len({first for first, _, _ in found})
    assert [score for *_, score in found] == sorted((score for *_, score in found), reverse=True)
    assert found[0][2] == (one @ two.T).max()


def test_the_nearest_never_are_the_film_itself():
    vectors = scenes(5, 0)
    assert sorted(find_nearest(vectors, 2, 10)) == [0, 1, 3, 4]
    assert len(find_nearest(vectors, 2, 3)) == 3


@given(st.integers(1, 6), st.booleans(), st.integers(0, 99))
def test_film_vectors_have_length_one_whatever_the_number_of_clips_and_sound(clips, heard, seed):
    chance = np.random.default_rng(seed)
    features = chance.uniform(0, 5, (clips, 1024)).astype(np.float32)
    colours = chance.dirichlet(np.ones(64), clips).astype(np.float32)
    sound = np.full((clips, 128), -3 if heard else np.nan, dtype=np.float32)
    vector = pool_film(features, colours, sound, VideoSettings())
    assert vector.shape == (1216,) and abs(np.linalg.norm(vector) - 1) < 1e-5
    np.testing.assert_allclose(
        vector, pool_film(features[::-1], colours[::-1], sound, VideoSettings()), atol=1e-5
    )
