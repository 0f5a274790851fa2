"""Find shots with TransNetV2 (Souček and Lokoč, 2020), in windows without their margins of 25 frames.

The authors use windows of 100 frames, half of them margins; the network is convolutional in time, and in windows of 300
it sees five frames in six once.
"""

import logging
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from components.catalogue.tables import read_videos
from components.core.compute import LAPTOP, ComputeSettings
from components.core.content_cache import Arrays
from components.core.content_hash import hash_paths
from components.core.stage import Counts, Input, Output, stage
from components.pinned_packages.find_model import find_model
from components.video.decode import Frames, probe, small_frames, sound
from components.video.feature_cache import FeatureCache, FilmInput
from components.video.networks.transnet import HEIGHT, WIDTH, TransNet
from components.video.settings import VideoError, VideoSettings
from components.video.worker_pool import Describe, Tell, describe_films

WINDOW, MARGIN = 300, 25
COLUMNS = {
    "video_id": "str", "item_id": "str", "path": "str", "shot": "int64", "start_frame": "int64", "end_frame": "int64",
    "start_seconds": "float64", "end_seconds": "float64", "fps": "float64", "frames": "int64", "sha256": "str",
    "colour": "object",
}  # fmt: skip
ASIDE = ["video_id", "item_id", "path", "reason"]
UNNAMED = "This video_id cannot name a group of an HDF5 file. Name it without a slash."
Floats = NDArray[np.float32]
CODE = (
    "components.video.shots",
    "components.video.decode",
    "components.video.networks.transnet",
)  # what the arrays in the cache depend on


def padded(frames: Iterable[Frames]) -> Iterator[Frames]:
    """Frames with the first and the last repeated as margins."""
    count = 0
    for count, frame in enumerate(frames, start=1):
        yield from [frame] * (MARGIN if count == 1 else 0)
        yield frame
    if count:
        yield from [frame] * MARGIN


def windows(frames: Iterable[Frames]) -> Iterator[NDArray[np.uint8]]:
    """Overlapping windows (f, h, w, 3), f <= 300, that are the film's frames, each once, without their margins."""
    held: list[Frames] = []
    for frame in padded(frames):
        held.append(frame)
        if len(held) == WINDOW:
            yield np.stack(held)
            held = held[WINDOW - 2 * MARGIN :]
    if len(held) > 2 * MARGIN:
        yield np.stack(held)


def transitions(network: TransNet, frames: Iterable[Frames]) -> Floats:
    """Probability that a frame begins or is within a transition (f,)."""
    parts = [np.empty(0, dtype=np.float32)]
    for window in windows(frames):
        parts.append(network.transitions(torch.from_numpy(window))[MARGIN:-MARGIN].cpu().numpy())
    return np.concatenate(parts)


def histogram(frame: Frames) -> Floats:
    """Share of pixels in each of 64 colours (64,)."""
    codes = (frame[..., 0] >> 6).astype(np.int64) * 16 + (frame[..., 1] >> 6) * 4 + (frame[..., 2] >> 6)
    return (np.bincount(codes.ravel(), minlength=64) / codes.size).astype(np.float32)


def cut(probabilities: Floats, threshold: float) -> list[tuple[int, int]]:
    """Shots as (first frame, one past the last); what follows a transition's first frame within it belongs to none."""
    still = np.concatenate([[False], probabilities <= threshold, [False]])
    edges = np.flatnonzero(np.diff(still.astype(np.int8)))
    last = len(probabilities)
    shots = [
        (int(start), min(int(end) + 1, last)) for start, end in zip(edges[::2], edges[1::2], strict=True)
    ]
    return shots or [(0, last)]


def find_shots(network: TransNet, threshold: float, film: FilmInput, tell: Tell) -> Arrays:
    """The shots of one film, with the mean colour histogram of each (s, 64).

    Raises VideoError where a frame or the sound cannot be decoded, so that later stages meet whole films only.
    """
    path = Path(film.path)
    fps = probe(path).fps
    colours, seconds = list[Floats](), list[float]()

    def watched() -> Iterator[Frames]:
        for second, frame in small_frames(path, WIDTH, HEIGHT):
            tell(second)
            seconds.append(second)
            colours.append(histogram(frame))
            yield frame

    shots = cut(transitions(network, watched()), threshold)
    for second, _ in sound(path):
        tell(second)
    times = np.array([*seconds, seconds[-1] + 1 / fps]).round(6)
    starts, ends = np.array(shots, dtype=np.int64).T
    return {
        "start_frame": starts, "end_frame": ends, "start_seconds": times[starts], "end_seconds": times[ends],
        "fps": np.array(fps), "frames": np.array(len(colours)),
        "colour": np.stack([np.mean(colours[start:end], axis=0, dtype=np.float32) for start, end in shots]),
    }  # fmt: skip


def prepare(weights: Path, threshold: float) -> Describe:
    """Open the network of a process."""
    return partial(find_shots, TransNet(weights), threshold)


def _is_name(video_id: str) -> bool:
    return "/" not in video_id and video_id != "."


def _rows(video: dict[str, Any], arrays: Arrays) -> list[dict[str, Any]]:
    known = {name: video[name] for name in ("video_id", "item_id", "path", "sha256")}
    known |= {name: arrays[name].item() for name in ("fps", "frames")}
    return [
        known
        | {"shot": number, "colour": arrays["colour"][number].tolist()}
        | {
            name: arrays[name][number]
            for name in ("start_frame", "end_frame", "start_seconds", "end_seconds")
        }
        for number in range(len(arrays["colour"]))
    ]


@stage(VideoSettings)
def main(
    catalogue: Input,
    weights: Input,
    parts: Input,
    shots: Output,
    unread: Output,
    settings: VideoSettings,
    compute: ComputeSettings = LAPTOP,
) -> Counts:
    """Write the shots of every film; a film that cannot be read is set aside and the rest go on."""
    videos: dict[str, dict[str, Any]] = {
        video["video_id"]: video for video in read_videos(catalogue).to_dict("records")
    }
    films = [
        FilmInput(name, video["path"], video["sha256"]) for name, video in videos.items() if _is_name(name)
    ]
    folder = Path(find_model("transnetv2", weights))
    cache = FeatureCache.open(
        parts / "shots",
        modules=CODE,
        settings=settings,
        keys=["shot_threshold"],
        weights=hash_paths([folder]) if films else "",
    )
    rows: list[dict[str, Any]] = []
    aside = [video | {"reason": UNNAMED} for name, video in videos.items() if not _is_name(name)]
    for film, answer in describe_films(
        films, partial(prepare, folder, settings.shot_threshold), cache, settings, compute
    ):
        if isinstance(answer, VideoError):
            logging.getLogger(__name__).warning("set aside %s: %s", film.video_id, answer)
            aside.append(videos[film.video_id] | {"reason": str(answer)})
        else:
            rows += _rows(videos[film.video_id], answer)
    pd.DataFrame(rows, columns=list(COLUMNS)).astype(COLUMNS).to_parquet(shots, index=False)
    pd.DataFrame(aside, columns=ASIDE).astype("str").to_parquet(unread, index=False)
    return {"films": len(videos) - len(aside), "shots": len(rows), "films_set_aside": len(aside)}


if __name__ == "__main__":
    main.cli()
