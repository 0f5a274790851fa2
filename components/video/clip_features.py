"""I3D features of clips of each shot, in HDF5: one group a film."""

from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from components.packages.resolve import resolve
from components.stage import Counts, Input, Output, digest, stage
from components.video.decode import clips
from components.video.i3d import I3d
from components.video.settings import VideoSettings


def clip_starts(start: int, end: int, length: int, count: int) -> list[int]:
    """First frames of clips spread evenly over a shot [start, end)."""
    free = max(end - start - length, 0)
    return [start + round(free * (n + 0.5) / count) for n in range(count)]


@stage(VideoSettings)
def main(
    catalogue: Input, shots: Input, weights: Input, clip_features: Output, settings: VideoSettings
) -> Counts:
    """Write clips (c, 1024), the shot of each (c,) and where it begins in seconds (c,)."""
    films = list(pd.read_parquet(shots).groupby("video_id", sort=True))
    folder = Path(resolve("i3d", weights))
    network = I3d(folder) if films else None
    total = 0
    with h5py.File(clip_features, "w") as file:
        file.attrs.update(
            model="i3d-kinetics-400-rgb",
            weights_sha256=digest([folder / "model.safetensors"]),
            units="seconds",
        )
        for video_id, film in tqdm(films, desc="I3D", unit="film"):
            vectors, owners, seconds = [], [], []
            for shot in film.itertuples():
                starts = clip_starts(
                    shot.start_frame, shot.end_frame, settings.clip_frames, settings.clips_per_shot
                )
                frames = clips(Path(str(shot.path)), starts, settings.clip_frames, settings.decode_seconds)
                assert network is not None
                vectors += [
                    network.features(torch.from_numpy(clip)[None]).cpu().numpy()[0] for clip in frames
                ]
                owners += [shot.shot] * len(starts)
                seconds += [start / shot.fps for start in starts]
            part = file.create_group(str(video_id))
            part.create_dataset(
                "clip_features", data=np.stack(vectors).astype(np.float32), compression="gzip"
            )
            part.create_dataset("clip_shot", data=np.array(owners, dtype=np.int64))
            part.create_dataset("clip_start_seconds", data=np.array(seconds, dtype=np.float64))
            total += len(vectors)
    return {"films": len(films), "clips": total}


if __name__ == "__main__":
    main.cli()
