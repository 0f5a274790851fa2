"""Log-mel statistics of each shot's sound: mean and spread of every band; absence of sound is NaN, silence is not."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tqdm import tqdm

from components.stage import Counts, Input, Output, stage
from components.video.decode import RATE, Floats, sound
from components.video.settings import VideoSettings

WINDOW, HOP, FLOOR = 400, 160, 1e-10
Doubles = NDArray[np.float64]


def mel_filters(bands: int) -> Floats:
    """Triangles evenly spaced on the mel scale (bands, frequencies)."""
    mels = np.linspace(0, 2595 * np.log10(1 + RATE / 2 / 700), bands + 2)
    edges = 700 * (10 ** (mels / 2595) - 1)
    frequencies = np.fft.rfftfreq(WINDOW, 1 / RATE)
    rising = (frequencies - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - frequencies) / (edges[2:] - edges[1:-1])[:, None]
    return np.maximum(np.minimum(rising, falling), 0).astype(np.float32)


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


@stage(VideoSettings)
def main(shots: Input, audio_features: Output, settings: VideoSettings) -> Counts:
    """Write audio features (s, 2 · bands) of every film."""
    films = list(pd.read_parquet(shots).groupby("video_id", sort=True))
    filters = mel_filters(settings.mel_bands)
    without = 0
    with h5py.File(audio_features, "w") as file:
        file.attrs.update(model="log-mel mean and deviation", bands=settings.mel_bands, rate=RATE)
        for video_id, film in tqdm(films, desc="sound", unit="film"):
            starts, ends = (film[name].to_numpy(np.float64) for name in ("start_seconds", "end_seconds"))
            features = statistics(sound(Path(film["path"].iloc[0])), starts, ends, filters)
            part = file.create_group(str(video_id))
            part.create_dataset("audio_features", data=features, compression="gzip")
            part.attrs["has_audio"] = bool(np.isfinite(features).any())
            without += not part.attrs["has_audio"]
    return {"films": len(films), "films_without_sound": without}


if __name__ == "__main__":
    main.cli()
