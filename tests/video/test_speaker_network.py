"""Voices: the reference's numbers, silence and absence told apart, and blocks that do not show."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from components.video.decode import SAMPLE_RATE, decode_sound
from components.video.mel_filters import mel_filters
from components.video.networks.speaker_network import (
    BATCH_SIZE,
    UTTERANCE_SAMPLES,
    SpeakerEmbedder,
    SpeakerNetwork,
    spread_windows,
)

# What VoiceEncoder of Resemblyzer 0.1.4 (librosa 0.11.0) says of `voice()` after its own normalize_volume.
EMBEDDING = {0: 0.0, 16: 0.087834, 32: 0.0, 48: 0.100864, 64: 0.109403, 77: 0.239652, 96: 0.027078, 144: 0.199705,
             160: 0.046595, 197: 0.229818, 224: 0.140804, 245: 0.258121}  # fmt: skip
ENERGIES = {(10, 0): 2.1427969e-02, (10, 5): 9.454448e-05, (10, 20): 1.783462e-04, (10, 39): 2.255626e-04,
            (0, 5): 1.126456e-04}  # fmt: skip


@pytest.fixture(scope="module")
def network(weights):
    return SpeakerNetwork(weights / "voices")


def voice(samples=UTTERANCE_SAMPLES, seed=0):
    """Five soft tones and noise."""
    times = np.arange(samples) / SAMPLE_RATE
    tones = sum(np.sin(2 * np.pi * pitch * times) for pitch in (130, 260, 720, 1240, 2600))
    return (0.003 * tones + 0.001 * np.random.default_rng(seed).normal(size=samples)).astype(np.float32)


def listen(network, blocks, *spans):
    listener = SpeakerEmbedder(network, *np.array(spans, dtype=np.float64).T)
    for _ in listener.pass_through(blocks):
        pass
    return listener.shot_embeddings()


def test_a_window_has_the_reference_implementations_embedding(network):
    (found,) = network.embed_windows(torch.from_numpy(voice())[None]).cpu().numpy()
    np.testing.assert_allclose(found[list(EMBEDDING)], list(EMBEDDING.values()), atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(found), 1, atol=1e-5)


def test_mel_energies_are_the_reference_implementations(network):
    samples = voice()
    raised = samples * (10 ** (-30 / 20) / np.sqrt(np.mean(samples**2)))
    (found,) = network.mel_energies(torch.from_numpy(raised)[None].to(network.device)).cpu().numpy()
    assert found.shape == (160, 40)
    for (step, band), energy in ENERGIES.items():
        np.testing.assert_allclose(found[step, band], energy, rtol=1e-3)


def test_every_mel_band_hears_something():
    assert (mel_filters(40, "slaney").sum(axis=1) > 0).all()


def test_softer_sound_has_the_same_embedding(network):
    windows = torch.from_numpy(np.stack([voice(), voice() / 4]))
    found = network.embed_windows(windows).cpu().numpy()
    np.testing.assert_allclose(found[0], found[1], atol=1e-4)


def test_a_film_without_sound_is_nan_and_a_silent_one_is_zeros(network, films):
    assert np.isnan(listen(network, decode_sound(films["cuts"]), (0, 1), (1, 3))).all()
    silent = listen(network, decode_sound(films["silence"]), (0, 0.5), (0.5, 0.9))
    assert silent.shape == (2, 256) and not silent.any()


def test_sound_that_ends_before_a_shot_is_nan_there(network, films):
    found = listen(network, decode_sound(films["tone"]), (0, 1), (1, 2), (2, 3))
    np.testing.assert_allclose(np.linalg.norm(found[:2], axis=1), 1, atol=1e-5)
    assert np.isnan(found[2]).all()


def test_silent_windows_do_not_change_what_is_heard_in_a_shot(network):
    samples = np.concatenate([voice(), np.zeros(UTTERANCE_SAMPLES, dtype=np.float32)])
    found = listen(network, [(0.0, samples)], (0, 1.6), (1.6, 3.2), (0, 3.2))
    assert not found[1].any()
    assert found[0] @ found[2] > 0.7


def test_a_shots_vector_is_the_mean_of_its_windows_at_unit_length(network):
    samples = voice(2 * UTTERANCE_SAMPLES)
    (found,) = listen(network, [(0.0, samples)], (0, 3.2))
    windows = torch.from_numpy(
        np.stack([samples[n * UTTERANCE_SAMPLES // 2 :][:UTTERANCE_SAMPLES] for n in range(3)])
    )
    mean = network.embed_windows(windows).cpu().numpy().mean(axis=0)
    np.testing.assert_allclose(found, mean / np.linalg.norm(mean), atol=1e-4)


def test_windows_cover_a_shot_and_leave_it_only_where_it_is_shorter():
    begins, shots = spread_windows(np.array([0.0, 0.5, 2.1]), np.array([0.5, 2.1, 5.0]))
    assert [round(begin / SAMPLE_RATE, 3) for begin in begins] == [-0.55, 0.5, 2.1, 2.75, 3.4]
    assert shots.tolist() == [0, 1, 2, 2, 2]
    assert [part.tolist() for part in spread_windows(np.empty(0), np.empty(0))] == [[], []]


@settings(deadline=None, max_examples=15)
@given(st.lists(st.integers(1, 40_000), min_size=1, max_size=5), st.integers(0, 9))
def test_voices_are_the_same_however_the_sound_is_cut_into_blocks(network, lengths, seed):
    samples = voice(sum(lengths), seed)
    begins = np.cumsum([0, *lengths])
    blocks = [(2 + a / SAMPLE_RATE, samples[a:b]) for a, b in pairwise(begins)]
    spans = [(0, 2.5), (2.5, 2.6), (2.6, 6), (6.5, 9)]
    cut, whole = listen(network, blocks, *spans), listen(network, [(2.0, samples)], *spans)
    np.testing.assert_allclose(cut, whole, atol=1e-5)


@settings(deadline=None, max_examples=15)
@given(st.lists(st.floats(0.04, 4), min_size=1, max_size=6), st.floats(0, 2), st.floats(0.1, 6))
def test_every_shot_with_sound_has_a_vector_of_unit_length_or_zeros(network, lengths, begin, seconds):
    samples = voice(round(seconds * SAMPLE_RATE))
    samples[len(samples) // 2 :] = 0
    edges = np.cumsum([0, *lengths])
    found = listen(network, [(begin, samples)], *pairwise(edges))
    for vector, (start, end) in zip(found, pairwise(edges), strict=True):
        if min(end, begin + seconds) - max(start, begin) > 2 / SAMPLE_RATE:
            assert not vector.any() or abs(np.linalg.norm(vector) - 1) < 1e-5
        elif min(end, begin + seconds) - max(start, begin) < -2 / SAMPLE_RATE:
            assert np.isnan(vector).all()


def test_more_windows_than_the_network_takes_at_once_are_all_heard(network):
    shots = [(n / 25, (n + 1) / 25) for n in range(BATCH_SIZE + 3)]
    found = listen(network, [(0.0, voice(4 * SAMPLE_RATE))], *shots)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
