"""The sound of each shot: mean and spread of every log-mel band, and the voices in it.

Absence of sound is NaN, silence is not: its energies are low, its voices zeros.
"""

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from components.core.compute import LAPTOP, ComputeSettings
from components.core.content_cache import Arrays
from components.core.content_hash import hash_paths
from components.core.stage import Counts, Input, Output, stage
from components.video.decode import RATE, Floats, sound
from components.video.feature_cache import FeatureCache, FilmInput
from components.video.hdf5_store import films_of, write_film
from components.video.networks.speaker_network import (
    HOP,
    WINDOW,
    Doubles,
    SpeakerEmbedder,
    SpeakerNetwork,
    triangles,
)
from components.video.settings import VideoSettings
from components.video.worker_pool import Describe, Tell, describe_films

FLOOR = 1e-10
CODE = (
    "components.video.audio_features",
    "components.video.decode",
    "components.video.networks.speaker_network",
)  # what the arrays in the cache depend on


def mel_filters(bands: int) -> Floats:
    """Triangles evenly spaced on the mel scale (bands, frequencies)."""
    mels = np.linspace(0, 2595 * np.log10(1 + RATE / 2 / 700), bands + 2)
    edges = 700 * (10 ** (mels / 2595) - 1)
    return triangles(edges).astype(np.float32)


def log_mel(samples: Floats, filters: Floats) -> Floats:
    """Log-mel energies (t, bands) in windows of 25 ms every 10 ms."""
    cut = np.lib.stride_tricks.sliding_window_view(samples, WINDOW)[::HOP]
    power = np.abs(np.fft.rfft(cut * np.hanning(WINDOW).astype(np.float32), axis=1)) ** 2
    return np.log10(np.maximum(power @ filters.T, FLOOR)).astype(np.float32)


def energies(blocks: Iterable[tuple[float, Floats]], filters: Floats) -> Iterator[tuple[Doubles, Floats]]:
    """Log-mel energies (t, bands) of sound that comes in blocks, and the second at which each window begins (t,)."""
    rest = np.empty(0, dtype=np.float32)
    for seconds, block in blocks:
        begin, samples = seconds - len(rest) / RATE, np.concatenate([rest, block])
        if len(samples) >= WINDOW:
            found = log_mel(samples, filters)
            yield begin + np.arange(len(found)) * HOP / RATE, found
            rest = samples[len(found) * HOP :]
        else:
            rest = samples


def statistics(
    blocks: Iterable[tuple[float, Floats]], starts: Doubles, ends: Doubles, filters: Floats
) -> Floats:
    """Mean and deviation of each band in each shot (s, 2 · bands); NaN where a shot has no sound, not where it is silent."""
    count, total, squares = (np.zeros((len(starts), width)) for width in (1, len(filters), len(filters)))
    for seconds, found in energies(blocks, filters):
        shot = np.searchsorted(starts, seconds, side="right") - 1
        inside = (shot >= 0) & (seconds < ends[shot])
        np.add.at(count, shot[inside], 1)
        np.add.at(total, shot[inside], found[inside])
        np.add.at(squares, shot[inside], found[inside].astype(np.float64) ** 2)
    with np.errstate(invalid="ignore"):
        mean = total / count
        deviation = np.sqrt(np.maximum(squares / count - mean**2, 0))
    return np.hstack([mean, deviation]).astype(np.float32)


def describe(filters: Floats, network: SpeakerNetwork, film: FilmInput, tell: Tell) -> Arrays:
    """Audio features (s, 2 · bands) and voices (s, 256) of a film's shots, from one pass over its sound."""

    def heard() -> Iterator[tuple[float, Floats]]:
        for second, block in sound(Path(film.path)):
            tell(second)
            yield second, block

    starts, ends = np.array(film.shots, dtype=np.float64).T[2:]
    listener = SpeakerEmbedder(network, starts, ends)
    found = statistics(listener.through(heard()), starts, ends, filters)
    return {"audio_features": found, "voice_features": listener.features()}


def prepare(weights: Path, bands: int) -> Describe:
    """Make the filters of a process and open its network."""
    return partial(describe, mel_filters(bands), SpeakerNetwork(weights))


@stage(VideoSettings)
def main(
    shots: Input,
    weights: Input,
    parts: Input,
    audio_features: Output,
    settings: VideoSettings,
    compute: ComputeSettings = LAPTOP,
) -> Counts:
    """Write the audio features of every film."""
    films = films_of(pd.read_parquet(shots))
    folder = weights / "voices"
    weights_sha256 = hash_paths([folder]) if films else ""
    cache = FeatureCache.open(
        parts / "audio_features", modules=CODE, settings=settings, keys=["mel_bands"], weights=weights_sha256
    )
    without = 0
    with h5py.File(audio_features, "w") as file:
        file.attrs.update(model="log-mel mean and deviation", bands=settings.mel_bands, rate=RATE)
        file.attrs.update(voice_model="ge2e-resemblyzer", weights_sha256=weights_sha256)
        ready = partial(prepare, folder, settings.mel_bands)
        for film, answer in describe_films(films, ready, cache, settings, compute):
            features = write_film(file, film, answer).get("audio_features", np.empty(0))
            without += not np.isfinite(features).any()
    return {"films": len(films), "films_without_sound": without}


if __name__ == "__main__":
    main.cli()
