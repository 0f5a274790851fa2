"""Group shots into scenes by what is seen and heard: change-points of least distance within, at a price for each scene.

The cost of a scene is the normalised one of optimal sequential grouping (Rotman, Porat and Ashour, 2016). On squared
distances it is that of kernel change-points, where a price decides how many there are (Arlot, Celisse and Harchaoui,
2019). Two things are added: a long shot weighs more than a short one, and shots far apart in time are unlike.
"""

import h5py
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from components.core.linear_algebra import unit_rows
from components.core.stage import Counts, Input, Output, stage
from components.video.settings import VideoSettings
from components.video.signatures import signed_root

Matrix = NDArray[np.float64]
LENGTH = 0.25


def unlike(vectors: NDArray[np.floating]) -> Matrix:
    """Squared distances of rows (s, d) in units of their mean, (s, s); NaN where a row is."""
    vectors = vectors.astype(np.float64)
    squares = np.square(vectors).sum(axis=1)
    apart = np.maximum(squares[:, None] + squares - 2 * vectors @ vectors.T, 0)
    return apart / max(np.nansum(apart) / max(np.isfinite(apart).sum(), 1), 1e-9)


def distances(colours: Matrix, clips: Matrix, sound: Matrix, seconds: Matrix, sound_weight: float) -> Matrix:
    """How unlike shots are, (s, s): the mean of what is known of a pair, where sound counts as much as it is told.

    colours: (s, c), shares of pixels. clips: (s, d). sound: (s, a), NaN where there is none.
    seconds: (s, 2), start and end.
    """
    seen = (
        unlike(np.sqrt(colours))
        + unlike(unit_rows(signed_root(clips)))
        + unlike(seconds.mean(axis=1)[:, None])
    )
    heard = unlike(sound)
    weight = sound_weight * np.isfinite(heard)
    return (seen + weight * np.nan_to_num(heard)) / (3 + weight)


def group(distance: Matrix, seconds: Matrix, price: float) -> list[int]:
    """Split consecutive shots into scenes of least cost; returns the first shot of each, starting with 0.

    A scene costs the mean distance within it times the weight of its shots, and `price` shots of average distance.
    distance: (s, s), symmetric. seconds: (s, 2), start and end.
    """
    shots, weights = len(distance), weigh(seconds)
    until = np.concatenate([[0], weights.cumsum()])
    total = np.zeros((shots + 1, shots + 1))
    total[1:, 1:] = (distance * np.outer(weights, weights)).cumsum(axis=0).cumsum(axis=1)
    square = total.diagonal()
    each = price * square[-1] / until[-1] ** 2
    least, came = np.zeros(shots + 1), np.zeros(shots + 1, dtype=int)
    for end in range(1, shots + 1):
        within = (square[end] + square[:end] - 2 * total[:end, end]) / (until[end] - until[:end])
        costs = least[:end] + within + each
        came[end] = costs.argmin()
        least[end] = costs[came[end]]
    starts, end = list[int](), shots
    while end:
        end = int(came[end])
        starts.append(end)
    return starts[::-1]


def weigh(seconds: Matrix) -> Matrix:
    """Weights of shots (s,), 1 on average: the fourth root of their length."""
    weights = np.maximum(seconds[:, 1] - seconds[:, 0], 1e-3) ** LENGTH
    return weights / weights.mean()


def find_scenes(
    film: pd.DataFrame, clips: h5py.Group, sound: h5py.Group, settings: VideoSettings
) -> list[int]:
    """First shots of the scenes of one film, of its shots and the groups that describe them."""
    owner, features = clips["clip_shot"][:], clips["clip_features"][:]
    means = np.stack([features[owner == shot].mean(axis=0) for shot in range(len(film))])
    seconds = film[["start_seconds", "end_seconds"]].to_numpy()
    distance = distances(
        np.stack(film["colour"].to_list()),
        means,
        sound["audio_features"][:],
        seconds,
        settings.scene_sound_weight,
    )
    return group(distance, seconds, settings.scene_penalty)


@stage(VideoSettings)
def main(
    shots: Input, clip_features: Input, audio_features: Input, scenes: Output, settings: VideoSettings
) -> Counts:
    """Write video_id, scene, first and last shot, and seconds of every scene of films that both files describe."""
    rows = []
    with h5py.File(clip_features) as seen, h5py.File(audio_features) as heard:
        for video_id, film in pd.read_parquet(shots).groupby("video_id", sort=True):
            if any("reason" in source[video_id].attrs for source in (seen, heard)):
                continue
            starts = find_scenes(film, seen[video_id], heard[video_id], settings)
            for number, (start, end) in enumerate(zip(starts, [*starts[1:], len(film)], strict=True)):
                first, last = film.iloc[start], film.iloc[end - 1]
                rows.append((video_id, number, start, end - 1, first["start_seconds"], last["end_seconds"]))
    columns = ["video_id", "scene", "first_shot", "last_shot", "start_seconds", "end_seconds"]
    pd.DataFrame(rows, columns=columns).astype({"video_id": "str"}).to_parquet(scenes, index=False)
    return {"scenes": len(rows)}


if __name__ == "__main__":
    main.cli()
