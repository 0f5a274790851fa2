"""Shots: windows cover every frame once, cuts are found where they are."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.video.settings import VideoError
from components.video.shots import cut, film_shots, histogram, open_network, windows

probabilities = st.lists(st.floats(0, 1, width=32), min_size=1, max_size=60)


@given(st.integers(0, 700))
def test_windows_without_their_margins_are_the_films_frames_each_once(count):
    film = [np.full((1, 1, 3), number, dtype=np.int64) for number in range(count)]
    found = [window[:, 0, 0, 0] for window in windows(film)]
    assert all(50 < len(window) <= 200 for window in found)
    np.testing.assert_array_equal(
        np.concatenate([[], *(window[25:-25] for window in found)]), np.arange(count)
    )
    for number, window in enumerate(found):
        wanted = np.arange(len(window)) + 150 * number - 25
        np.testing.assert_array_equal(window, wanted.clip(0, count - 1))


@given(probabilities, st.floats(0.01, 0.99))
def test_shots_lie_in_order_within_the_film_and_hold_every_frame_that_is_no_transition(values, threshold):
    found = np.array(values, dtype=np.float32)
    shots = cut(found, threshold)
    edges = [edge for shot in shots for edge in shot]
    assert edges == sorted(edges) and edges[0] >= 0 and edges[-1] <= len(found)
    assert all(start < end for start, end in shots)
    within = {frame for start, end in shots for frame in range(start, end)}
    assert set(np.flatnonzero(found <= threshold)) <= within


def test_a_hard_cut_loses_no_frame_and_a_dissolve_belongs_to_no_shot_but_its_first_frame():
    assert cut(np.array([0, 0, 0.9, 0, 0], np.float32), 0.5) == [(0, 3), (3, 5)]
    assert cut(np.array([0, 0, 0.9, 0.9, 0.9, 0], np.float32), 0.5) == [(0, 3), (5, 6)]


def test_colours_are_shares():
    frame = np.zeros((4, 4, 3), np.uint8)
    frame[:2] = 255
    assert histogram(frame).sum() == 1
    assert histogram(frame)[[0, 63]].tolist() == [0.5, 0.5]


@pytest.fixture(scope="module")
def network(weights):
    return open_network(weights)


def shots_of(network, path, name="film"):
    return film_shots(network, {"video_id": name, "item_id": "i", "path": str(path), "sha256": ""}, 0.5)


@pytest.mark.parametrize(("name", "cuts"), [("cuts", [1, 2]), ("uneven", [1.4, 2.8])])
def test_hard_cuts_are_found_at_their_frame_and_second(network, films, name, cuts):
    shots = shots_of(network, films[name])
    assert [(shot["start_frame"], shot["end_frame"]) for shot in shots] == [(0, 25), (25, 50), (50, 75)]
    np.testing.assert_allclose([shot["start_seconds"] for shot in shots], [0, *cuts], atol=2e-3)
    assert {shot["frames"] for shot in shots} == {75}


def test_a_film_of_one_frame_is_one_shot(network, films):
    (shot,) = shots_of(network, films["one_frame"])
    assert (shot["start_frame"], shot["end_frame"]) == (0, 1)
    assert shot["end_seconds"] == pytest.approx(0.04)


def test_a_film_with_damaged_sound_is_refused(network, broken):
    with pytest.raises(VideoError, match="audio"):
        shots_of(network, broken["damaged_sound.mp4"])


def test_an_id_that_cannot_name_a_group_is_refused(network, films):
    with pytest.raises(VideoError, match="without a slash"):
        shots_of(network, films["cuts"], "season/1")
