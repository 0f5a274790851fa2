"""Features of clips of each shot by a 3D network, and a thumbnail of each clip, in HDF5: one group a film."""

from collections.abc import Iterator
from functools import partial
from io import BytesIO
from itertools import islice
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from PIL import Image

from components.core.compute import LAPTOP, ComputeSettings
from components.core.content_cache import Arrays
from components.core.content_hash import hash_paths
from components.core.stage import Counts, Input, Output, stage
from components.video.decode import Frames, clips
from components.video.feature_cache import FeatureCache, FilmInput
from components.video.hdf5_store import films_of, write_film
from components.video.networks.clip_network import ClipNetwork, find_network, model_of, open_network
from components.video.settings import VideoError, VideoSettings
from components.video.worker_pool import Describe, Tell, describe_films

SMALLER, QUALITY = 2, 75
CODE = (
    "components.video.clip_features",
    "components.video.decode",
    "components.video.networks.i3d",
    "components.video.networks.clip_network",
)  # what the arrays in the cache depend on


def clip_frames(start: int, end: int, length: int, count: int) -> list[list[int]]:
    """Frame numbers of clips spread evenly over a shot [start, end); a shot shorter than a clip stays at its end."""
    free = max(end - start - length, 0)
    begins = [start + round(free * (n + 0.5) / count) for n in range(count)]
    return [[min(begin + n, end - 1) for n in range(length)] for begin in begins]


def thumbnail(frame: Frames) -> bytes:
    """A frame (224, 224, 3) as a JPEG of half its sides."""
    side = len(frame) // SMALLER
    small = frame.reshape(side, SMALLER, side, SMALLER, 3).mean(axis=(1, 3)).astype(np.uint8)
    file = BytesIO()
    Image.fromarray(small).save(file, "JPEG", quality=QUALITY)
    return file.getvalue()


def side_by_side(pictures: list[bytes]) -> NDArray[np.uint8]:
    """Pictures as rows of bytes (c, longest), with zeros behind."""
    longest = max(map(len, pictures))
    return np.stack([np.frombuffer(picture.ljust(longest, b"\0"), dtype=np.uint8) for picture in pictures])


def describe(network: ClipNetwork, settings: VideoSettings, film: FilmInput, tell: Tell) -> Arrays:
    """Clips (c, d) of a film's shots, the shot of each (c,), where it begins in seconds (c,) and its middle frame."""
    wanted, owners, seconds = list[list[int]](), list[int](), list[float]()
    for shot, (start, end, start_seconds, end_seconds) in enumerate(film.shots):
        own = clip_frames(start, end, settings.clip_frames, settings.clips_per_shot)
        pace = (end_seconds - start_seconds) / (end - start)
        wanted += own
        owners += [shot] * len(own)
        seconds += [start_seconds + (clip[0] - start) * pace for clip in own]
    vectors, pictures = list[NDArray[np.float32]](), list[bytes]()
    found = clips(Path(film.path), wanted, film.frames, settings.decode_seconds / 2, tell)
    told = _telling(found, seconds, tell)
    while together := list(islice(told, network.at_once)):
        vectors.append(network.features(torch.from_numpy(np.stack(together))).cpu().numpy())
        pictures += [thumbnail(clip[len(clip) // 2]) for clip in together]
    if len(pictures) < len(wanted):
        raise VideoError(f"{film.path} gave {len(pictures)} of {len(wanted)} clips. Encode it again.")
    return {
        "clip_features": np.concatenate(vectors),
        "clip_shot": np.array(owners, dtype=np.int64),
        "clip_start_seconds": np.array(seconds, dtype=np.float64),
        "thumbnails": side_by_side(pictures),
    }


def _telling(found: Iterator[Frames], seconds: list[float], tell: Tell) -> Iterator[Frames]:
    """Clips as they come, each told of by its second."""
    for clip, second in zip(found, seconds, strict=False):
        tell(second)
        yield clip


def prepare(weights: Path, settings: VideoSettings) -> Describe:
    """Open the network of a process."""
    return partial(describe, open_network(weights, settings.clip_frames), settings)


@stage(VideoSettings)
def main(
    shots: Input,
    weights: Input,
    parts: Input,
    clip_features: Output,
    settings: VideoSettings,
    compute: ComputeSettings = LAPTOP,
) -> Counts:
    """Write the described clips of every film."""
    films = films_of(pd.read_parquet(shots))
    folder = find_network(settings.clip_network, weights) if films else weights
    weights_sha256 = hash_paths([folder]) if films else ""
    cache = FeatureCache.open(
        parts / "clip_features",
        modules=CODE,
        settings=settings,
        keys=["clip_frames", "clips_per_shot"],
        weights=weights_sha256,
    )
    total = 0
    with h5py.File(clip_features, "w") as file:
        file.attrs.update(model=model_of(folder), weights_sha256=weights_sha256)
        network = partial(prepare, folder, settings)
        for film, answer in describe_films(films, network, cache, settings, compute):
            total += len(write_film(file, film, answer).get("clip_shot", ()))
    return {"films": len(films), "clips": total}


if __name__ == "__main__":
    main.cli()
