"""Decoding: every frame or a reason, whichever decoder reads; sound that is absent is not sound that is silent."""

import os
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from components.video.decode import (
    SAMPLE_RATE,
    decode_clips,
    decode_clips_by_decord,
    decode_clips_by_pyav,
    decode_small_frames,
    decode_sound,
    probe_film,
)
from components.video.settings import VideoError

FRAMES = {
    "cuts": 75, "tone": 75, "silence": 30, "one_frame": 1, "rotated": 30, "edit_list": 26, "matroska": 75, "uneven": 75,
    "latin_title": 30, "timeless": 75, "three_a_second": 30, "many_a_second": 75, "odd": 30, "ten_bit": 30,
    "misnamed": 75,
}  # fmt: skip


@pytest.mark.parametrize("name", FRAMES)
def test_a_whole_film_gives_every_frame_that_it_shows(films, name):
    seconds, frames = zip(*decode_small_frames(films[name], 48, 27), strict=True)
    assert len(frames) == FRAMES[name]
    assert {(frame.shape, frame.dtype.name) for frame in frames} == {((27, 48, 3), "uint8")}
    assert seconds[0] == 0
    assert all(before < after for before, after in pairwise(seconds))


def test_times_of_an_uneven_film_are_those_of_its_frames(films):
    seconds = [second for second, _ in decode_small_frames(films["uneven"], 48, 27)]
    np.testing.assert_allclose([seconds[24], seconds[25], seconds[50]], [0.96, 1.4, 2.8], atol=2e-3)


def test_frames_without_times_follow_the_frame_rate(films):
    seconds = [second for second, _ in decode_small_frames(films["timeless"], 48, 27)]
    np.testing.assert_allclose(np.diff(seconds), 0.04, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("truncated.mp4", r"breaks off after frame|holds \d+ of 75 frames"),
        ("truncated.mkv", r"ends at .* of 3\.0 s"),
        ("damaged.mp4", r"frame \d+ is damaged|breaks off after frame"),
        ("empty.mp4", "not a film that can be read"),
        ("garbage.mp4", "not a film that can be read"),
        ("sound_alone.mp4", "holds no pictures"),
    ],
)
def test_a_damaged_film_is_refused_with_its_reason(broken, name, reason):
    with pytest.raises(VideoError, match=rf"{name}.*({reason}).*(Replace|Give)"):
        list(decode_small_frames(broken[name], 48, 27))


def test_a_film_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(VideoError, match=r"absent\.mp4 is not a film .*No such file"):
        probe_film(tmp_path / "absent.mp4")


@pytest.mark.parametrize("name", ["cuts", "rotated", "uneven", "one_frame", "matroska", "odd", "ten_bit"])
def test_both_decoders_give_the_same_clips(films, name):
    count = FRAMES[name]
    wanted = [[min(begin + n, count - 1) for n in range(8)] for begin in (0, 3, count // 2)]
    ours = list(decode_clips_by_pyav(films[name], wanted))
    theirs = list(decode_clips_by_decord(films[name], wanted, count, 60))
    assert [clip.shape for clip in ours] == [(8, 224, 224, 3)] * 3
    for one, other in zip(ours, theirs, strict=True):
        assert np.abs(one.astype(int) - other).mean() < 2


def test_clips_of_a_film_that_decord_counts_otherwise_are_read_by_pyav(films):
    wanted = [[0, 1], [24, 25]]
    with pytest.raises(VideoError, match=r"decord counts \d+ of 26 frames"):
        list(decode_clips_by_decord(films["edit_list"], wanted, 26, 60))
    np.testing.assert_array_equal(
        list(decode_clips(films["edit_list"], wanted, 26, 60)),
        list(decode_clips_by_pyav(films["edit_list"], wanted)),
    )


def test_a_decoder_that_hangs_is_ended(tmp_path):
    pipe = tmp_path / "nobody_writes.mp4"
    os.mkfifo(pipe)
    with pytest.raises(VideoError, match=r"decord gave nothing in 3 s and was ended"):
        list(decode_clips_by_decord(pipe, [[0]], 1, 3))


def test_a_decoder_that_fails_says_why(broken):
    with pytest.raises(VideoError, match=r"garbage\.mp4: decord fails"):
        list(decode_clips_by_decord(broken["garbage.mp4"], [[0]], 1, 60))


def samples_of(path: Path) -> np.ndarray:
    return np.concatenate([block for _, block in decode_sound(path)])


def test_sound_comes_whole_at_16_kilohertz(films):
    blocks = list(decode_sound(films["tone"]))
    samples = samples_of(films["tone"])
    assert abs(len(samples) / SAMPLE_RATE - 1.5) < 0.1
    spectrum = np.abs(np.fft.rfft(samples[: 1 * SAMPLE_RATE]))
    assert spectrum.argmax() == 440
    assert np.std(samples) == pytest.approx(0.5 / np.sqrt(2), rel=0.1)
    for (second, block), (following, _) in pairwise(blocks):
        assert following == pytest.approx(second + len(block) / SAMPLE_RATE)


def test_absent_sound_is_nothing_and_silence_is_zeros(films):
    assert list(decode_sound(films["cuts"])) == []
    assert np.abs(samples_of(films["silence"])).max() < 1e-3


def test_damaged_sound_is_refused(broken):
    assert len(list(decode_small_frames(broken["damaged_sound.mp4"], 48, 27))) == 75
    with pytest.raises(VideoError, match=r"damaged_sound\.mp4.*audio"):
        list(decode_sound(broken["damaged_sound.mp4"]))
