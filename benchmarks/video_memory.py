"""Peak memory of the stages that open films, on a made-up film of three hours in 1080p: python benchmarks/video_memory.py

The film is ten minutes of two shots with a tone, encoded once and repeated by copying its packets. A sixth of it is measured
too: the peaks of one film differ by some 80 MB from run to run, so more than that tells what grows with the frames.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import psutil

SEGMENT_SECONDS, SHOTS, WIDTH, HEIGHT, RATE = 600, 2, 1920, 1080, 16_000


def write_segment(path: Path, fps: int) -> None:
    """Two shots: colours and a square that moves."""
    import av

    with av.open(str(path), "w") as film:
        video = film.add_stream(
            "libx264", rate=fps, options={"preset": "ultrafast", "crf": "35", "threads": "1"}
        )
        video.width, video.height, video.pix_fmt, video.gop_size = WIDTH, HEIGHT, "yuv420p", 10
        sound = film.add_stream("aac", rate=RATE, layout="mono")
        for number in range(SEGMENT_SECONDS * fps):
            shot = np.random.default_rng(number * SHOTS // (SEGMENT_SECONDS * fps))
            frame = np.repeat(
                np.repeat(shot.integers(0, 200, (HEIGHT // 120, WIDTH // 120, 3)), 120, 0), 120, 1
            )
            left = 20 * number % (WIDTH - 200)
            frame[400:600, left : left + 200] = 255
            film.mux(video.encode(av.VideoFrame.from_ndarray(frame.astype(np.uint8), format="rgb24")))
        film.mux(video.encode(None))
        for second in range(SEGMENT_SECONDS):
            tone = np.sin(np.arange(RATE, dtype=np.float32) * (0.05 + second % 7 / 50))[None]
            block = av.AudioFrame.from_ndarray(tone, format="fltp", layout="mono")
            block.rate, block.pts, block.time_base = RATE, second * RATE, Fraction(1, RATE)
            film.mux(sound.encode(block))
        film.mux(sound.encode(None))


def repeat(segment: Path, path: Path, times: int) -> None:
    """A film of a segment's packets, over and over."""
    import av

    with av.open(str(path), "w") as film:
        with av.open(str(segment)) as source:
            streams = [film.add_stream_from_template(stream) for stream in source.streams]
        for number in range(times):
            with av.open(str(segment)) as source:
                for packet in source.demux():
                    if packet.dts is None or not 0 <= packet.pts * packet.time_base < SEGMENT_SECONDS:
                        continue
                    shift = int(number * SEGMENT_SECONDS / packet.time_base)
                    packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
                    packet.stream = streams[packet.stream_index]
                    film.mux(packet)


def peak(command: list[str]) -> tuple[float, float]:
    """Peak memory in MB of the largest process of a command, and of all together, where shared pages count once."""
    process, largest, together = subprocess.Popen(command, stderr=subprocess.DEVNULL), 0.0, 0.0
    while process.poll() is None:
        sizes = [_sizes(child) for child in [process.pid, *_children(process.pid)]]
        largest = max(largest, *(resident for resident, _ in sizes))
        together = max(together, sum(share for _, share in sizes))
        time.sleep(0.2)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with status {process.returncode}")
    return largest / 2**20, together / 2**20


def _children(pid: int) -> list[int]:
    try:
        return [child.pid for child in psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _sizes(pid: int) -> tuple[float, float]:
    """Resident memory of a process, and its share of memory, in bytes."""
    try:
        memory = psutil.Process(pid).memory_full_info()
    except psutil.NoSuchProcess:
        return 0.0, 0.0
    return float(memory.rss), float(memory.pss)


def measure(film: Path, folder: Path, weights: Path) -> dict[str, Any]:
    """Peak memory of each stage on one film."""
    import hashlib

    import pandas as pd

    folder.mkdir()
    (folder / "catalogue").mkdir()
    with film.open("rb") as file:
        row = ("film", "film", str(film), hashlib.file_digest(file, "sha256").hexdigest())
    videos = pd.DataFrame([row], columns=["video_id", "item_id", "path", "sha256"])
    videos.to_parquet(folder / "catalogue" / "videos.parquet", index=False)
    shots, parts = folder / "shots.parquet", folder / "parts"
    stages = {
        "shots": [folder / "catalogue", weights, parts, shots, folder / "unread.parquet"],
        "clip_features": [shots, weights, parts, folder / "clips.h5"],
        "audio_features": [shots, weights, parts, folder / "audio.h5"],
    }
    report: dict[str, Any] = {}
    for name, paths in stages.items():
        began = time.monotonic()
        largest, together = peak([sys.executable, "-m", f"components.video.{name}", *map(str, paths)])
        report[name] = {"largest_mb": largest, "together_mb": together, "seconds": time.monotonic() - began}
        print(film.name, name, report[name], flush=True)
    found = pd.read_parquet(shots)
    return report | {"frames": int(found["frames"].iloc[0]), "shots_found": len(found)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=3)
    parser.add_argument("--fps", type=int, default=1)
    parser.add_argument("--weights", type=Path, default=Path("data/packages/weights"))
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    times = round(options.hours * 3600 / SEGMENT_SECONDS)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write_segment(folder / "segment.mp4", options.fps)
        report: dict[str, Any] = {}
        for name, count in {"sixth": max(times // 6, 1), "whole": times}.items():
            repeat(folder / "segment.mp4", folder / f"{name}.mp4", count)
            report[name] = measure(folder / f"{name}.mp4", folder / name, options.weights)
    print(json.dumps(report, indent=1))
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
