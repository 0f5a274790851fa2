"""The sound of each shot: mean and deviation of every log-mel band, and embeddings of the voices in it.

Absent sound is NaN. Silent sound is a number: its energies are low, its voice embeddings are zeros.
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
from components.video.decode import SAMPLE_RATE, Floats, decode_sound
from components.video.feature_cache import FeatureCache, FilmInput
from components.video.hdf5_store import films_from_shots, write_film
from components.video.mel_filters import HOP_SAMPLES, WINDOW_SAMPLES, mel_filters
from components.video.networks.speaker_network import Doubles, SpeakerEmbedder, SpeakerNetwork
from components.video.settings import VideoSettings
from components.video.worker_pool import DescribeFilm, ReportProgress, describe_films

ENERGY_FLOOR = 1e-10  # digital silence has energy 0, whose logarithm is no number
# A change of one of these makes the arrays in the cache anew
CACHED_MODULES = (
    "components.video.audio_features",
    "components.video.decode",
    "components.video.mel_filters",
    "components.video.networks.speaker_network",
)


def log_mel(samples: Floats, filters: Floats) -> Floats:
    """Return log-mel energies (t, bands) in windows of 25 ms every 10 ms."""
    windows = np.lib.stride_tricks.sliding_window_view(samples, WINDOW_SAMPLES)[::HOP_SAMPLES]
    power = np.abs(np.fft.rfft(windows * np.hanning(WINDOW_SAMPLES).astype(np.float32), axis=1)) ** 2
    return np.log10(np.maximum(power @ filters.T, ENERGY_FLOOR)).astype(np.float32)


def stream_log_mel(
    blocks: Iterable[tuple[float, Floats]], filters: Floats
) -> Iterator[tuple[Doubles, Floats]]:
    """Yield the second at which each window begins (t,) and log-mel energies (t, bands) of sound in blocks."""
    rest = np.empty(0, dtype=np.float32)
    for seconds, block in blocks:
        begin, rest = seconds - len(rest) / SAMPLE_RATE, np.concatenate([rest, block])
        if len(rest) >= WINDOW_SAMPLES:
            energies = log_mel(rest, filters)
            yield begin + np.arange(len(energies)) * HOP_SAMPLES / SAMPLE_RATE, energies
            rest = rest[len(energies) * HOP_SAMPLES :]


def shot_statistics(
    blocks: Iterable[tuple[float, Floats]], starts: Doubles, ends: Doubles, filters: Floats
) -> Floats:
    """Return mean and deviation of each band in each shot (s, 2 · bands); NaN where a shot has no sound."""
    # Sums of a shot, so that memory does not grow with the film
    shape = len(starts), len(filters)
    count, total, squares = np.zeros((len(starts), 1)), np.zeros(shape), np.zeros(shape)
    for seconds, energies in stream_log_mel(blocks, filters):
        shot = np.searchsorted(starts, seconds, side="right") - 1
        inside = (shot >= 0) & (seconds < ends[shot])
        # add.at, as `total[shot] += ...` would add one window of each shot alone
        np.add.at(count, shot[inside], 1)
        np.add.at(total, shot[inside], energies[inside])
        np.add.at(squares, shot[inside], energies[inside].astype(np.float64) ** 2)
    # 0 / 0 is the NaN of absent sound
    with np.errstate(invalid="ignore"):
        mean = total / count
        # Rounding may leave the variance of constant sound just below zero
        deviation = np.sqrt(np.maximum(squares / count - mean**2, 0))
    return np.hstack([mean, deviation]).astype(np.float32)


def describe_film(
    filters: Floats, network: SpeakerNetwork, film: FilmInput, report_progress: ReportProgress
) -> Arrays:
    """Return audio features (s, 2 · bands) and voice embeddings (s, 256) of a film's shots, from one pass."""

    def read_sound() -> Iterator[tuple[float, Floats]]:
        for second, block in decode_sound(Path(film.path)):
            report_progress(second)
            yield second, block

    starts, ends = np.array(film.shots, dtype=np.float64).T[2:]
    embedder = SpeakerEmbedder(network, starts, ends=ends)
    # The embedder listens to the blocks on their way, so that sound is decoded once for both
    statistics = shot_statistics(embedder.pass_through(read_sound()), starts, ends=ends, filters=filters)
    return {"audio_features": statistics, "voice_features": embedder.shot_embeddings()}


def load_describer(weights: Path, bands: int) -> DescribeFilm:
    """Make the mel filters, load the network, and return the function that describes sound with them."""
    return partial(describe_film, mel_filters(bands, "htk"), SpeakerNetwork(weights))


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
    films = films_from_shots(pd.read_parquet(shots))
    folder = weights / "voices"
    weights_sha256 = hash_paths([folder]) if films else ""
    keys = ["mel_bands"]
    cache = FeatureCache.open(
        parts / "audio_features", modules=CACHED_MODULES, settings=settings, keys=keys, weights=weights_sha256
    )
    n_mute = 0
    with h5py.File(audio_features, "w") as file:
        file.attrs.update(model="log-mel mean and deviation", bands=settings.mel_bands, rate=SAMPLE_RATE)
        file.attrs.update(voice_model="ge2e-resemblyzer", weights_sha256=weights_sha256)
        prepare = partial(load_describer, folder, settings.mel_bands)
        for film, result in describe_films(films, prepare, cache=cache, settings=settings, compute=compute):
            features = write_film(file, film, result).get("audio_features", np.empty(0))
            n_mute += not np.isfinite(features).any()
    return {"films": len(films), "films_without_sound": n_mute}


if __name__ == "__main__":
    main.cli()
