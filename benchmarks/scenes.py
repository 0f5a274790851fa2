"""Scenes of the Open Video Scene Detection films beside two plain rules: python benchmarks/scenes.py

Reads the published shots, features and scenes from --data. Coverage, overflow and IoU are in frames, boundaries in
shots; figures are means over films.
"""

import argparse
import json
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from components.video.scenes import distances, elbow, group

Starts = list[int]
Spans = list[tuple[int, int]]
TOLERANCE = 2


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


def by_colour(shots: pd.DataFrame) -> NDArray[np.float64]:
    """What the stage does, on the published HSV histograms."""
    colours = stacked(shots["hsv"])
    return distances(colours / np.maximum(colours.sum(axis=1, keepdims=True), 1e-9))


def uniform(count: int, n_scenes: int) -> Starts:
    return [round(number * count / n_scenes) for number in range(n_scenes)]


def judge(film: pd.DataFrame, truth: Starts) -> dict[str, Starts]:
    """What each rule finds in one film."""
    distance = by_colour(film)
    number = elbow(distance)
    return {
        "Tandem": group(distance, number),
        "uniform, same number": uniform(len(film), number),
        "every shot": list(range(len(film))),
        "Tandem, true number given": group(distance, len(truth)),
    }


def measure(data: Path) -> pd.DataFrame:
    """One row a film and rule."""
    shots, scenes = pd.read_parquet(data / "ovsd_shots.parquet"), pd.read_csv(data / "ovsd_scenes.csv")
    rows = []
    for number, film in shots.groupby("film"):
        if film["hsv"].isna().any():
            continue
        marked = scenes[scenes["film"] == number]
        truth = first_shots(film, marked)
        frames = list(zip(marked["first_frame"], marked["last_frame"] + 1, strict=True))
        for rule, found in judge(film, truth).items():
            guessed = spans(found, film)
            scores = {
                "coverage_overflow_f": coverage_overflow(frames, guessed),
                "boundary_f1": boundary_f1(truth, found),
                "miou": mean_iou(frames, guessed),
            }
            counts = {"scenes": len(found), "true_scenes": len(truth)}
            rows.append({"rule": rule, "film": number, **scores, **counts})
    return pd.DataFrame(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/scenes"))
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    started = time.process_time()
    rows = measure(options.data)
    columns = ["coverage_overflow_f", "boundary_f1", "miou", "scenes", "true_scenes"]
    parts = {
        "films of even number": rows[rows["film"] % 2 == 0],
        "films of odd number, which chose how the elbow is found": rows[rows["film"] % 2 == 1],
    }
    report = {
        f"{name} ({part['film'].nunique()})": part.groupby("rule", sort=False)[columns].mean()
        for name, part in parts.items()
    }
    for name, table in report.items():
        print(f"\n{name}\n{table.round(3).to_string()}")
    print(f"\n{time.process_time() - started:.1f} CPU-s")
    if options.json:
        tables = {name: table.round(4).to_dict("index") for name, table in report.items()}
        options.json.write_text(json.dumps(tables, indent=1) + "\n")


if __name__ == "__main__":
    main()
