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
from components.video.decode import Frames, decode_clips
from components.video.feature_cache import FeatureCache, FilmInput
from components.video.hdf5_store import films_from_shots, write_film
from components.video.networks.clip_network import ClipNetwork, find_network, open_network, read_model_name
from components.video.settings import VideoError, VideoSettings
from components.video.worker_pool import DescribeFilm, ReportProgress, describe_films

THUMBNAIL_DIVISOR, JPEG_QUALITY = 2, 75
# A change of one of these makes the arrays in the cache anew
CACHED_MODULES = (
    "components.video.clip_features",
    "components.video.decode",
    "components.video.networks.i3d",
    "components.video.networks.clip_network",
)


def clip_frames(start: int, end: int, length: int, count: int) -> list[list[int]]:
    """Return the frame numbers of clips spread evenly over a shot [start, end).

    A shot shorter than a clip repeats its last frame.
    """
    free = max(end - start - length, 0)
    clips = []
    for number in range(count):
        begin = start + round(free * (number + 0.5) / count)
        # A frame of the next shot would describe another scene
        clips.append(np.minimum(np.arange(begin, begin + length), end - 1).tolist())
    return clips


def encode_thumbnail(frame: Frames) -> bytes:
    """Return a frame (224, 224, 3) as a JPEG of half its sides."""
    side = len(frame) // THUMBNAIL_DIVISOR
    blocks = frame.reshape(side, THUMBNAIL_DIVISOR, side, THUMBNAIL_DIVISOR, 3)
    file = BytesIO()
    Image.fromarray(blocks.mean(axis=(1, 3)).astype(np.uint8)).save(file, "JPEG", quality=JPEG_QUALITY)
    return file.getvalue()


def stack_thumbnails(thumbnails: list[bytes]) -> NDArray[np.uint8]:
    """Return thumbnails as rows of bytes (c, longest), with zeros behind."""
    # HDF5 compresses a rectangle of bytes, not values of differing length; JPEG readers ignore what is behind
    longest = max(map(len, thumbnails))
    rows = b"".join([thumbnail.ljust(longest, b"\0") for thumbnail in thumbnails])
    return np.frombuffer(rows, dtype=np.uint8).reshape(-1, longest)


def describe_film(
    network: ClipNetwork, settings: VideoSettings, film: FilmInput, report_progress: ReportProgress
) -> Arrays:
    """Describe the clips of a film's shots.

    Returns their features (c, d), the shot of each (c,), the second at which it begins (c,) and its middle frame.
    Raises VideoError where fewer clips come than are wanted.
    """
    wanted, owners, seconds = list[list[int]](), list[int](), list[float]()
    for shot, (start, end, start_seconds, end_seconds) in enumerate(film.shots):
        frame_seconds = (end_seconds - start_seconds) / (end - start)
        for clip in clip_frames(start, end, length=settings.clip_frames, count=settings.clips_per_shot):
            wanted.append(clip)
            owners.append(shot)
            seconds.append(start_seconds + (clip[0] - start) * frame_seconds)
    vectors, thumbnails = list[NDArray[np.float32]](), list[bytes]()
    # Half the time limit, so that PyAV can still report progress after decord has hung
    patience = settings.decode_seconds / 2
    decoded = decode_clips(
        Path(film.path), wanted, frames=film.frames, seconds=patience, report_progress=report_progress
    )
    clips = _report_clips(decoded, seconds, report_progress=report_progress)
    while batch := list(islice(clips, network.batch_size)):
        vectors.append(network.extract_features(torch.from_numpy(np.stack(batch))).cpu().numpy())
        thumbnails += [encode_thumbnail(frames[len(frames) // 2]) for frames in batch]
    # A decoder that ends early raises nothing, and the arrays would differ in length
    if len(thumbnails) < len(wanted):
        raise VideoError(f"{film.path} gave {len(thumbnails)} of {len(wanted)} clips. Encode it again.")
    return {
        "clip_features": np.concatenate(vectors),
        "clip_shot": np.array(owners, dtype=np.int64),
        "clip_start_seconds": np.array(seconds, dtype=np.float64),
        "thumbnails": stack_thumbnails(thumbnails),
    }


def _report_clips(
    clips: Iterator[Frames], seconds: list[float], report_progress: ReportProgress
) -> Iterator[Frames]:
    """Yield clips as they come, and report the second of each."""
    for clip, second in zip(clips, seconds, strict=False):
        report_progress(second)
        yield clip


def load_describer(weights: Path, settings: VideoSettings) -> DescribeFilm:
    """Load the network, and return the function that describes clips with it."""
    return partial(describe_film, open_network(weights, settings.clip_frames), settings)


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
    films = films_from_shots(pd.read_parquet(shots))
    folder = find_network(settings.clip_network, weights) if films else weights
    weights_sha256 = hash_paths([folder]) if films else ""
    keys = ["clip_frames", "clips_per_shot"]
    cache = FeatureCache.open(
        parts / "clip_features", modules=CACHED_MODULES, settings=settings, keys=keys, weights=weights_sha256
    )
    n_clips = 0
    with h5py.File(clip_features, "w") as file:
        file.attrs.update(model=read_model_name(folder), weights_sha256=weights_sha256)
        prepare = partial(load_describer, folder, settings)
        for film, result in describe_films(films, prepare, cache=cache, settings=settings, compute=compute):
            n_clips += len(write_film(file, film, result).get("clip_shot", ()))
    return {"films": len(films), "clips": n_clips}


if __name__ == "__main__":
    main.cli()
