"""I3D features of clips of each shot, in HDF5: one group a film."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from components.packages.resolve import resolve
from components.stage import Counts, Input, Output, digest, stage
from components.video.decode import clips
from components.video.i3d import I3d
from components.video.settings import VideoSettings


def clip_frames(start: int, end: int, length: int, count: int) -> list[list[int]]:
    """Frame numbers of clips spread evenly over a shot [start, end); a shot shorter than a clip stays at its end."""
    free = max(end - start - length, 0)
    begins = [start + round(free * (n + 0.5) / count) for n in range(count)]
    return [[min(begin + n, end - 1) for n in range(length)] for begin in begins]


def describe(network: I3d, film: pd.DataFrame, settings: VideoSettings) -> dict[str, NDArray[Any]]:
    """Clips (c, 1024) of a film's shots, the shot of each (c,) and where it begins in seconds (c,)."""
    wanted, owners, seconds = list[list[int]](), list[int](), list[float]()
    for shot in film.to_dict("records"):
        start, end = shot["start_frame"], shot["end_frame"]
        own = clip_frames(start, end, settings.clip_frames, settings.clips_per_shot)
        pace = (shot["end_seconds"] - shot["start_seconds"]) / (end - start)
        wanted += own
        owners += [shot["shot"]] * len(own)
        seconds += [shot["start_seconds"] + (clip[0] - start) * pace for clip in own]
    first = film.iloc[0]
    found = clips(Path(first["path"]), wanted, int(first["frames"]), settings.decode_seconds)
    vectors = [network.features(torch.from_numpy(clip)[None]).cpu().numpy()[0] for clip in found]
    return {
        "clip_features": np.stack(vectors).astype(np.float32),
        "clip_shot": np.array(owners, dtype=np.int64),
        "clip_start_seconds": np.array(seconds, dtype=np.float64),
    }


@stage(VideoSettings)
def main(shots: Input, weights: Input, clip_features: Output, settings: VideoSettings) -> Counts:
    """Write the described clips of every film."""
    films = list(pd.read_parquet(shots).groupby("video_id", sort=True))
    folder = Path(resolve("i3d", weights))
    total = 0
    with h5py.File(clip_features, "w") as file:
        file.attrs.update(model="i3d-kinetics-400-rgb", units="seconds")
        if films:
            file.attrs["weights_sha256"] = digest([folder / "model.safetensors"])
            network = I3d(folder)
        for video_id, film in tqdm(films, desc="I3D", unit="film"):
            part = file.create_group(str(video_id))
            for name, array in describe(network, film, settings).items():
                part.create_dataset(name, data=array, compression="gzip")
            total += len(part["clip_features"])
    return {"films": len(films), "clips": total}


if __name__ == "__main__":
    main.cli()
