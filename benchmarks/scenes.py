"""Scenes of the Open Video Scene Detection films beside two plain rules: python benchmarks/scenes.py

Reads the published shots, features and scenes from --data. Coverage, overflow and IoU are in frames, boundaries in
shots; figures are means over films, with the interval that holds 95 % of 10,000 draws of as many films. The published
VGG19 features stand in for the stage's clip features (I3D), colours where a film has none; there is no sound.
"""

import argparse
import json
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from components.video.scenes import group_shots, shot_distances
from components.video.settings import VideoSettings

Starts = list[int]
Spans = list[tuple[int, int]]
TOLERANCE = 2
FIGURES = ["coverage_overflow_f", "boundary_f1", "miou"]


def first_shots(shots: pd.DataFrame, scenes: pd.DataFrame) -> Starts:
    """First shots of the scenes that people marked: those whose middle frame is the first within a scene."""
    middles = (shots["first_frame"] + shots["last_frame"]) / 2
    starts = np.searchsorted(middles, scenes["first_frame"])
    return sorted({0, *(int(start) for start in starts if start < len(shots))})


def spans(starts: Starts, shots: pd.DataFrame) -> Spans:
    """Scenes [first frame, one past the last) without gaps."""
    edges = [*shots["first_frame"].iloc[starts], shots["last_frame"].iloc[-1] + 1]
    return list(pairwise(int(edge) for edge in edges))


def overlap(one: tuple[int, int], other: tuple[int, int]) -> int:
    return max(0, min(one[1], other[1]) - max(one[0], other[0]))


def coverage_overflow(truth: Spans, found: Spans) -> float:
    """F of coverage and one less overflow (Vendrig and Worring, 2002), scenes weighted by their length."""
    coverage = overflow = 0.0
    for number, scene in enumerate(truth):
        touching = [guess for guess in found if overlap(scene, guess)]
        coverage += max((overlap(scene, guess) for guess in touching), default=0)
        around = truth[max(number - 1, 0) : number] + truth[number + 1 : number + 2]
        room = sum(end - start for start, end in around)
        beyond = sum(guess[1] - guess[0] - overlap(scene, guess) for guess in touching)
        overflow += (scene[1] - scene[0]) * min(1.0, beyond / room) if room else 0.0
    total = sum(end - start for start, end in truth)
    covered, contained = coverage / total, 1 - overflow / total
    return 2 * covered * contained / (covered + contained) if covered + contained else 0.0


def boundary_f1(truth: Starts, found: Starts) -> float:
    """F1 of boundaries, one to one within two shots; the film's beginning is none."""
    free, hits = truth[1:], 0
    for start in found[1:]:
        near = [mark for mark in free if abs(mark - start) <= TOLERANCE]
        if near:
            free.remove(min(near, key=lambda mark: abs(mark - start)))
            hits += 1
    return 2 * hits / max(len(truth) + len(found) - 2, 1)


def mean_iou(truth: Spans, found: Spans) -> float:
    """Mean of each scene's best intersection over union, both ways."""

    def best(ones: Spans, others: Spans) -> float:
        return float(np.mean([max(_iou(one, other) for other in others) for one in ones]))

    return (best(truth, found) + best(found, truth)) / 2


def _iou(one: tuple[int, int], other: tuple[int, int]) -> float:
    shared = overlap(one, other)
    return shared / (one[1] - one[0] + other[1] - other[0] - shared)


def stacked(features: pd.Series) -> NDArray[np.float64]:
    return np.stack(features.to_list()).astype(np.float64)


def by_stage(shots: pd.DataFrame, settings: VideoSettings) -> Starts:
    """What the stage finds in one film. Only how long shots are beside each other counts, so frames do for seconds."""
    colours = stacked(shots["hsv"])
    colours /= np.maximum(colours.sum(axis=1, keepdims=True), 1e-9)
    clips = colours if shots["vgg19"].isna().any() else stacked(shots["vgg19"])
    frames = np.stack([shots["first_frame"], shots["last_frame"] + 1], axis=1).astype(np.float64)
    silence = np.full((len(shots), 1), np.nan)
    return group_shots(
        shot_distances(colours, clips, silence, frames, settings.scene_sound_weight),
        frames,
        settings.scene_penalty,
    )


def uniform(count: int, n_scenes: int) -> Starts:
    return [round(number * count / n_scenes) for number in range(n_scenes)]


def judge(film: pd.DataFrame, settings: VideoSettings) -> dict[str, Starts]:
    """What each rule finds in one film."""
    found = by_stage(film, settings)
    return {
        "Tandem": found,
        "uniform, same number": uniform(len(film), len(found)),
        "every shot": list(range(len(film))),
    }


def measure(data: Path, settings: VideoSettings) -> pd.DataFrame:
    """One row a film and rule; films without published colours are left out."""
    shots, scenes = pd.read_parquet(data / "ovsd_shots.parquet"), pd.read_csv(data / "ovsd_scenes.csv")
    rows = []
    for number, film in shots.groupby("film"):
        if film["hsv"].isna().any():
            continue
        marked = scenes[scenes["film"] == number]
        truth = first_shots(film, marked)
        frames = list(zip(marked["first_frame"], marked["last_frame"] + 1, strict=True))
        for rule, found in judge(film, settings).items():
            guessed = spans(found, film)
            scores = {
                "coverage_overflow_f": coverage_overflow(frames, guessed),
                "boundary_f1": boundary_f1(truth, found),
                "miou": mean_iou(frames, guessed),
            }
            counts = {"scenes": len(found), "true_scenes": len(truth)}
            known = {"film": number, "both": film["vgg19"].notna().all()}
            rows.append({"rule": rule, **known, **scores, **counts})
    return pd.DataFrame(rows)


def interval(figures: pd.Series) -> str:
    """Bounds of the middle 95 % of means over as many films, drawn with replacement."""
    draws = np.random.default_rng(0).choice(figures.to_numpy(), (10_000, len(figures))).mean(axis=1)
    return "{:.3f}-{:.3f}".format(*np.percentile(draws, [2.5, 97.5]))


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """Means over films for each rule, and their intervals."""
    rules = rows.groupby("rule", sort=False)
    intervals = rules[FIGURES].agg(interval).add_suffix("_95")
    return rules[[*FIGURES, "scenes", "true_scenes"]].mean().round(4).join(intervals)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/scenes"))
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    started = time.process_time()
    rows = measure(options.data, VideoSettings.read_in())
    even = rows[rows["film"] % 2 == 0]
    parts = {
        "films of even number with colours and network features": even[even["both"]],
        "films of even number": even,
        "films of odd number, which chose the method and its settings": rows[rows["film"] % 2 == 1],
    }
    report = {f"{name} ({part['film'].nunique()})": summary(part) for name, part in parts.items()}
    for title, table in report.items():
        print(f"\n{title}\n{table.to_string()}")
    print(f"\n{time.process_time() - started:.1f} CPU-s")
    if options.json:
        tables = {title: table.to_dict("index") for title, table in report.items()}
        options.json.write_text(json.dumps(tables, indent=1) + "\n")


if __name__ == "__main__":
    main()
