"""Sound: what is absent is NaN, what is silent is a number; blocks do not show."""

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from components.video.audio_features import shot_statistics, stream_log_mel
from components.video.decode import SAMPLE_RATE, decode_sound
from components.video.mel_filters import mel_filters

FILTERS = mel_filters(64, "htk")


def features(path, *spans):
    starts, ends = np.array(spans, dtype=np.float64).T
    return shot_statistics(decode_sound(path), starts, ends, FILTERS)


def test_a_film_without_sound_is_nan_and_a_silent_one_is_not(films):
    assert np.isnan(features(films["cuts"], (0, 1), (1, 3))).all()
    silent = features(films["silence"], (0, 0.9))
    assert silent.shape == (1, 128)
    np.testing.assert_allclose(silent[0, :64], -10, atol=0.5)
    np.testing.assert_allclose(silent[0, 64:], 0, atol=0.1)


def test_sound_that_ends_before_a_shot_is_nan_there(films):
    found = features(films["tone"], (0, 1), (1, 2), (2, 3))
    assert np.isfinite(found[:2]).all() and np.isnan(found[2]).all()


def test_a_tone_is_loudest_in_its_band(films):
    (found,) = features(films["tone"], (0.1, 1))
    centres = FILTERS.argmax(axis=1) * SAMPLE_RATE / 400
    assert abs(centres[found[:64].argmax()] - 440) < 60


def test_every_mel_band_hears_something():
    assert (FILTERS.sum(axis=1) > 0).all()


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(1, 3000), min_size=1, max_size=6), st.integers(0, 9))
def test_energies_are_the_same_however_the_sound_is_cut_into_blocks(lengths, seed):
    samples = np.random.default_rng(seed).normal(size=sum(lengths)).astype(np.float32)
    begins = np.cumsum([0, *lengths])
    blocks = [(2 + a / SAMPLE_RATE, samples[a:b]) for a, b in pairwise(begins)]
    cut, whole = list(stream_log_mel(blocks, FILTERS)), list(stream_log_mel([(2.0, samples)], FILTERS))
    assert bool(cut) == bool(whole)
    for n in (0, 1) if whole else ():
        np.testing.assert_allclose(
            np.concatenate([part[n] for part in cut]), np.concatenate([part[n] for part in whole]), atol=1e-4
        )
