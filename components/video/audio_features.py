"""Log-mel statistics of each shot's sound: mean and spread of every band; absence of sound is NaN, silence is not."""

from pathlib import Path

import h5py
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tqdm import tqdm

from components.stage import Counts, Input, Output, stage
from components.video.decode import RATE, sound
from components.video.settings import VideoSettings

WINDOW, HOP, FLOOR = 400, 160, 1e-10
Floats = NDArray[np.float32]


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
    samples = np.pad(samples, (0, max(WINDOW - len(samples), 0)))
    frames = np.lib.stride_tricks.sliding_window_view(samples, WINDOW)[::HOP] * np.hanning(WINDOW).astype(
        np.float32
    )
    power = np.abs(np.fft.rfft(frames, axis=1)) ** 2
    return np.log10(np.maximum(power @ filters.T, FLOOR)).astype(np.float32)


def statistics(samples: Floats | None, start: float, end: float, filters: Floats) -> Floats:
    """Mean and standard deviation of each band between two seconds (2 · bands,); NaN where there is no sound."""
    if samples is None:
        return np.full(2 * len(filters), np.nan, dtype=np.float32)
    energies = log_mel(samples[int(start * RATE) : int(end * RATE)], filters)
    return np.concatenate([energies.mean(axis=0), energies.std(axis=0)])


@stage(VideoSettings)
def main(catalogue: Input, shots: Input, audio_features: Output, settings: VideoSettings) -> Counts:
    """Write audio features (s, 2 · bands) of every film."""
    films = list(pd.read_parquet(shots).groupby("video_id", sort=True))
    filters = mel_filters(settings.mel_bands)
    silent = 0
    with h5py.File(audio_features, "w") as file:
        file.attrs.update(model="log-mel mean and deviation", bands=settings.mel_bands, rate=RATE)
        for video_id, film in tqdm(films, desc="sound", unit="film"):
            samples = sound(Path(film["path"].iloc[0]))
            silent += samples is None
            spans = zip(film["start_seconds"], film["end_seconds"], strict=True)
            rows = [statistics(samples, start, end, filters) for start, end in spans]
            part = file.create_group(str(video_id))
            part.create_dataset("audio_features", data=np.stack(rows).astype(np.float32), compression="gzip")
            part.attrs["has_audio"] = samples is not None
    return {"films": len(films), "films_without_sound": silent}


if __name__ == "__main__":
    main.cli()
