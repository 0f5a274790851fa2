"""Find shots with TransNetV2 (Souček and Lokoč, 2020), in windows without their margins of 25 frames.

The authors use windows of 100 frames, half of them margins. The network is convolutional in time, and in windows of 300
it sees five frames in six once.
"""

import logging
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import repeat
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
from components.video.decode import Floats, Frames, decode_small_frames, decode_sound, probe_film
from components.video.feature_cache import FeatureCache, FilmInput
from components.video.networks.transnet import HEIGHT, WIDTH, TransNet
from components.video.settings import VideoError, VideoSettings
from components.video.worker_pool import DescribeFilm, ReportProgress, describe_films

WINDOW_FRAMES, MARGIN_FRAMES = 300, 25
COLUMNS = {
    "video_id": "str", "item_id": "str", "path": "str", "shot": "int64", "start_frame": "int64", "end_frame": "int64",
    "start_seconds": "float64", "end_seconds": "float64", "fps": "float64", "frames": "int64", "sha256": "str",
    "colour": "object",
}  # fmt: skip
UNREAD_COLUMNS = ["video_id", "item_id", "path", "reason"]
BAD_ID_REASON = "This video_id cannot name a group of an HDF5 file. Name it without a slash."
# A change of one of these makes the arrays in the cache anew
CACHED_MODULES = ("components.video.shots", "components.video.decode", "components.video.networks.transnet")


def pad_frames(frames: Iterable[Frames]) -> Iterator[Frames]:
    """Yield frames with the first and the last repeated as margins."""
    # Without margins the cuts near a film's ends have no context; the authors repeat frames too
    last = None
    for frame in frames:
        if last is None:
            yield from repeat(frame, MARGIN_FRAMES)
        yield frame
        last = frame
    if last is not None:
        yield from repeat(last, MARGIN_FRAMES)


def split_windows(frames: Iterable[Frames]) -> Iterator[NDArray[np.uint8]]:
    """Yield overlapping windows (f, h, w, 3), f <= 300; without their margins they are the film's frames, each once."""
    window: list[Frames] = []
    for frame in pad_frames(frames):
        window.append(frame)
        if len(window) == WINDOW_FRAMES:
            yield np.stack(window)
            window = window[WINDOW_FRAMES - 2 * MARGIN_FRAMES :]
    if len(window) > 2 * MARGIN_FRAMES:
        yield np.stack(window)


def predict_transitions(network: TransNet, frames: Iterable[Frames]) -> Floats:
    """Return the probability that each frame begins or is within a transition (f,)."""
    parts = [np.empty(0, dtype=np.float32)]
    for window in split_windows(frames):
        probabilities = network.predict_transitions(torch.from_numpy(window))
        parts.append(probabilities[MARGIN_FRAMES:-MARGIN_FRAMES].cpu().numpy())
    return np.concatenate(parts)


def colour_histogram(frame: Frames) -> Floats:
    """Return the share of pixels in each of 64 colours (64,)."""
    codes = (frame[..., 0] >> 6).astype(np.int64) * 16 + (frame[..., 1] >> 6) * 4 + (frame[..., 2] >> 6)
    return (np.bincount(codes.ravel(), minlength=64) / codes.size).astype(np.float32)


def split_shots(probabilities: Floats, threshold: float) -> list[tuple[int, int]]:
    """Return shots as (first frame, one past the last).

    A transition's first frame belongs to the shot before it, and its other frames to no shot.
    """
    still = np.concatenate([[False], probabilities <= threshold, [False]])
    starts, ends = np.flatnonzero(np.diff(still.astype(np.int8))).reshape(-1, 2).T
    # One frame more, as TransNetV2 marks the last frame before a hard cut, which would be lost
    ends = np.minimum(ends + 1, len(probabilities))
    shots = list(zip(starts.tolist(), ends.tolist(), strict=True))
    # A film that is all transition is one shot, as later stages need one
    return shots or [(0, len(probabilities))]


def find_shots(
    network: TransNet, threshold: float, film: FilmInput, report_progress: ReportProgress
) -> Arrays:
    """Find the shots of one film, with the mean colour histogram of each (s, 64).

    Raises VideoError where a frame or the sound cannot be decoded, so that later stages read whole films only.
    """
    path = Path(film.path)
    fps = probe_film(path).fps
    colours, seconds = list[Floats](), list[float]()

    def read_frames() -> Iterator[Frames]:
        for second, frame in decode_small_frames(path, WIDTH, HEIGHT):
            report_progress(second)
            seconds.append(second)
            # The histogram alone is kept: the small frames of three hours would take a gigabyte
            colours.append(colour_histogram(frame))
            yield frame

    shots = split_shots(predict_transitions(network, read_frames()), threshold)
    for second, _ in decode_sound(path):
        report_progress(second)
    times = np.array([*seconds, seconds[-1] + 1 / fps]).round(6)
    starts, ends = np.array(shots, dtype=np.int64).T
    means = [np.mean(colours[start:end], axis=0, dtype=np.float32) for start, end in shots]
    return {
        "start_frame": starts, "end_frame": ends, "start_seconds": times[starts], "end_seconds": times[ends],
        "fps": np.array(fps), "frames": np.array(len(colours)), "colour": np.stack(means),
    }  # fmt: skip


def load_describer(weights: Path, threshold: float) -> DescribeFilm:
    """Load the network, and return the function that finds shots with it."""
    return partial(find_shots, TransNet(weights), threshold)


def _is_group_name(video_id: str) -> bool:
    return "/" not in video_id and video_id != "."


def _make_rows(video: dict[str, Any], arrays: Arrays) -> list[dict[str, Any]]:
    """Return a row of the table of shots for each shot of a film."""
    own = video | {"fps": arrays["fps"].item(), "frames": arrays["frames"].item()}
    rows = []
    for shot, colour in enumerate(arrays["colour"].tolist()):
        row = own | {"shot": shot, "colour": colour}
        for name in ("start_frame", "end_frame", "start_seconds", "end_seconds"):
            row[name] = arrays[name][shot]
        rows.append(row)
    return rows


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
    videos, films = dict[str, dict[str, Any]](), list[FilmInput]()
    rows, unread_rows = list[dict[str, Any]](), list[dict[str, Any]]()
    for video in read_videos(catalogue).to_dict("records"):
        videos[video["video_id"]] = video
    for video_id, video in videos.items():
        if _is_group_name(video_id):
            films.append(FilmInput(video_id, video["path"], sha256=video["sha256"]))
        else:
            unread_rows.append(video | {"reason": BAD_ID_REASON})
    folder = Path(find_model("transnetv2", weights))
    weights_sha256, keys = hash_paths([folder]) if films else "", ["shot_threshold"]
    cache = FeatureCache.open(
        parts / "shots", modules=CACHED_MODULES, settings=settings, keys=keys, weights=weights_sha256
    )
    prepare = partial(load_describer, folder, settings.shot_threshold)
    for film, result in describe_films(films, prepare, cache=cache, settings=settings, compute=compute):
        if isinstance(result, VideoError):
            logging.getLogger(__name__).warning("set aside %s: %s", film.video_id, result)
            unread_rows.append(videos[film.video_id] | {"reason": str(result)})
        else:
            rows += _make_rows(videos[film.video_id], result)
    # Columns are named and typed, as an empty catalogue has no rows to take them from
    pd.DataFrame(rows, columns=list(COLUMNS)).astype(COLUMNS).to_parquet(shots, index=False)
    pd.DataFrame(unread_rows, columns=UNREAD_COLUMNS).astype("str").to_parquet(unread, index=False)
    return {"films": len(videos) - len(unread_rows), "shots": len(rows), "films_set_aside": len(unread_rows)}


if __name__ == "__main__":
    main.cli()
