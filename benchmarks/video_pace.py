"""Hours of film an hour that processes get through shots and clips, and what the networks alone take of a GPU or a core.

python benchmarks/video_pace.py --workers 1 2 --json benchmarks/results/video_pace.json

Each film is copied as often as asked, with its copy's number behind its end, so that no two have one content.
"""

import argparse
import json
import shutil
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from components.core.compute import ComputeSettings, device_name
from components.core.content_hash import hash_file
from components.video import clip_features, shots
from components.video.feature_cache import Arrays, FeatureCache, FilmInput
from components.video.networks.i3d import I3d
from components.video.networks.transnet import HEIGHT, WIDTH, TransNet
from components.video.settings import VideoError, VideoSettings
from components.video.worker_pool import PrepareWorker, describe_films

REPEATS, TOGETHER = 5, (1, 4, 8, 16, 32)


def seconds(work: Callable[[], Any]) -> float:
    """The median of several runs after a first one, with what the GPU still has to do."""
    work()
    took = list[float]()
    for _ in range(REPEATS):
        began = time.perf_counter()
        work()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        took.append(time.perf_counter() - began)
    return float(np.median(took))


def peak_megabytes(work: Callable[[], Any]) -> float:
    """The most memory of the GPU that is held meanwhile, 0 without one."""
    if not torch.cuda.is_available():
        return 0.0
    torch.cuda.reset_peak_memory_stats()
    work()
    return torch.cuda.max_memory_allocated() / 1e6


def shot_network(network: TransNet) -> dict[str, float]:
    """Frames a second of the network that finds shots."""
    frames = torch.randint(0, 256, (shots.WINDOW_FRAMES, HEIGHT, WIDTH, 3), dtype=torch.uint8)
    work = partial(network.predict_transitions, frames)
    kept = shots.WINDOW_FRAMES - 2 * shots.MARGIN_FRAMES
    return {"frames_a_second": kept / seconds(work), "peak_mb": peak_megabytes(work)}


def clip_network(network: I3d, length: int) -> dict[str, Any]:
    """Clips a second of the network that describes clips, by how many it is given together."""
    report = dict[str, Any]()
    for count in TOGETHER if torch.cuda.is_available() else (1, 4):
        clips = torch.randint(0, 256, (count, length, 224, 224, 3), dtype=torch.uint8)
        work = partial(network.extract_features, clips)
        report[str(count)] = {"clips_a_second": count / seconds(work), "peak_mb": peak_megabytes(work)}
    return report


def copies(films: list[Path], count: int, folder: Path) -> list[FilmInput]:
    """Copies of films that differ behind their ends."""
    made = list[FilmInput]()
    for place, film in enumerate(films):
        for number in range(count):
            copy = folder / f"{place}-{number}-{film.name}"
            shutil.copyfile(film, copy)
            with copy.open("ab") as file:
                file.write(b"\0\0\0\x0cfree" + number.to_bytes(4, "big"))
            made.append(FilmInput(copy.stem, str(copy), hash_file(copy)))
    return made


def described(
    films: list[FilmInput], prepare: PrepareWorker, compute: ComputeSettings, folder: Path
) -> tuple[float, list[Arrays]]:
    """Seconds in which processes describe films, their start among them, and what they say."""
    began, answers = time.monotonic(), list[Arrays]()
    for _, answer in describe_films(films, prepare, FeatureCache(folder, {}), VideoSettings(), compute):
        if isinstance(answer, VideoError):
            raise SystemExit(str(answer))
        answers.append(answer)
    return time.monotonic() - began, answers


def pace(films: list[Path], count: int, weights: Path, workers: int) -> dict[str, float]:
    """Hours of film an hour through both stages by some processes."""
    settings, compute = VideoSettings(), ComputeSettings(workers=workers)
    find = partial(shots.load_describer, weights / "transnetv2", settings.shot_threshold)
    describe = partial(clip_features.load_describer, weights / "i3d", settings)
    with TemporaryDirectory() as name:
        folder = Path(name)
        made = copies(films, count, folder)
        for_shots, found = described(made, find, compute, folder / "shots")
        columns = ("start_frame", "end_frame", "start_seconds", "end_seconds")
        with_shots = [
            FilmInput(
                film.video_id, film.path, film.sha256, int(own["frames"]),
                tuple(zip(*(own[column].tolist() for column in columns), strict=True)),
            )
            for film, own in zip(made, found, strict=True)
        ]  # fmt: skip
        for_clips, _ = described(with_shots, describe, compute, folder / "clips")
    hours = sum(float(own["end_seconds"][-1]) for own in found) / 3600
    return {
        "films": len(made), "film_hours": hours, "shots": sum(len(own["start_frame"]) for own in found),
        "shots_seconds": for_shots, "clip_features_seconds": for_clips,
        "hours_of_film_an_hour": hours * 3600 / (for_shots + for_clips),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "films", type=Path, nargs="*", default=sorted(Path("../shared/data/videos").glob("*.mp4"))
    )
    parser.add_argument("--copies", type=int, default=1, help="copies of each film")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2], help="processes, one run each")
    parser.add_argument("--weights", type=Path, default=Path("data/packages/weights"))
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if not options.films:
        parser.error("no films: name some")
    report: dict[str, Any] = {
        "device": device_name(),
        "torch": torch.__version__,
        "threads_alone": torch.get_num_threads(),
        "transnetv2": shot_network(TransNet(options.weights / "transnetv2")),
        "i3d": clip_network(I3d(options.weights / "i3d"), VideoSettings().clip_frames),
        "workers": {
            str(count): pace(options.films, options.copies, options.weights, count)
            for count in options.workers
        },
    }
    print(json.dumps(report, indent=1))
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
