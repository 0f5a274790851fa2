"""Group shots into scenes by what is seen and heard: change points of least distance within, at a penalty a scene.

The cost of a scene is the normalised one of optimal sequential grouping (Rotman, Porat and Ashour, 2016). On squared
distances it is that of kernel change points, where a penalty decides how many there are (Arlot, Celisse and Harchaoui,
2019). Two things are added: a long shot weighs more than a short one, and shots far apart in time are distant.
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
LENGTH_EXPONENT = 0.25  # ours, chosen with the penalty on the OVSD films of odd number
MIN_SECONDS = 1e-3  # frames may have the same time, and a shot of length 0 would have no weight


def scaled_distances(vectors: NDArray[np.floating]) -> Matrix:
    """Return squared distances of rows (s, d) in units of their mean, (s, s); NaN where a row is NaN."""
    vectors = vectors.astype(np.float64)
    squares = np.square(vectors).sum(axis=1)
    # Rounding may leave the distance of equal rows just below zero
    apart = np.maximum(squares[:, None] + squares - 2 * vectors @ vectors.T, 0)
    # Units of the mean make colours, clips, time and sound comparable, and the penalty independent of their scale
    return apart / max(np.nansum(apart) / max(np.isfinite(apart).sum(), 1), 1e-9)


def shot_distances(
    colours: Matrix, clips: Matrix, sound: Matrix, seconds: Matrix, sound_weight: float
) -> Matrix:
    """Return how distant shots are, (s, s): a mean over colours, clips, time, and sound by its weight.

    colours: (s, c), shares of pixels. clips: (s, d). sound: (s, a), NaN where there is none.
    seconds: (s, 2), start and end.
    """
    seen = (
        scaled_distances(np.sqrt(colours))
        + scaled_distances(unit_rows(signed_root(clips)))
        + scaled_distances(seconds.mean(axis=1)[:, None])
    )
    heard = scaled_distances(sound)
    weight = sound_weight * np.isfinite(heard)
    return (seen + weight * np.nan_to_num(heard)) / (3 + weight)


def group_shots(distance: Matrix, seconds: Matrix, penalty: float) -> list[int]:
    """Split consecutive shots into scenes of least cost, and return the first shot of each, starting with 0.

    A scene costs the mean distance within it times the weight of its shots, and `penalty` shots of average distance.
    distance: (s, s), symmetric. seconds: (s, 2), start and end.
    """
    shots, weights = len(distance), shot_weights(seconds)
    # Sums up to each shot, from which the cost of any scene follows in constant time
    cumulative = np.concatenate([[0], weights.cumsum()])
    total = np.zeros((shots + 1, shots + 1))
    total[1:, 1:] = (distance * np.outer(weights, weights)).cumsum(axis=0).cumsum(axis=1)
    square = total.diagonal()
    scene_penalty = penalty * square[-1] / cumulative[-1] ** 2
    # Dynamic programming: the least cost of the shots before `end`, and where their last scene begins
    least, begin = np.zeros(shots + 1), np.zeros(shots + 1, dtype=int)
    for end in range(1, shots + 1):
        within = (square[end] + square[:end] - 2 * total[:end, end]) / (cumulative[end] - cumulative[:end])
        costs = least[:end] + within + scene_penalty
        begin[end] = costs.argmin()
        least[end] = costs[begin[end]]
    starts, end = list[int](), shots
    while end:
        end = int(begin[end])
        starts.append(end)
    return starts[::-1]


def shot_weights(seconds: Matrix) -> Matrix:
    """Return weights of shots (s,), 1 on average: the fourth root of their length."""
    weights = np.maximum(seconds[:, 1] - seconds[:, 0], MIN_SECONDS) ** LENGTH_EXPONENT
    return weights / weights.mean()


def find_scenes(
    film: pd.DataFrame, clips: h5py.Group, sound: h5py.Group, settings: VideoSettings
) -> list[int]:
    """Return the first shots of the scenes of one film, from its shots and the groups that describe them."""
    owner, features = clips["clip_shot"][:], clips["clip_features"][:]
    means = [features[owner == shot].mean(axis=0) for shot in range(len(film))]
    seconds = film[["start_seconds", "end_seconds"]].to_numpy()
    distance = shot_distances(
        np.stack(film["colour"].to_list()),
        np.stack(means),
        sound=sound["audio_features"][:],
        seconds=seconds,
        sound_weight=settings.scene_sound_weight,
    )
    return group_shots(distance, seconds, penalty=settings.scene_penalty)


@stage(VideoSettings)
def main(
    shots: Input, clip_features: Input, audio_features: Input, scenes: Output, settings: VideoSettings
) -> Counts:
    """Write video_id, scene, first and last shot, and seconds of every scene of films that both files describe."""
    rows = []
    with h5py.File(clip_features) as clips, h5py.File(audio_features) as audio:
        for video_id, film in pd.read_parquet(shots).groupby("video_id", sort=True):
            if "reason" in clips[video_id].attrs or "reason" in audio[video_id].attrs:
                continue
            starts = find_scenes(film, clips[video_id], sound=audio[video_id], settings=settings)
            for number, (start, end) in enumerate(zip(starts, [*starts[1:], len(film)], strict=True)):
                first, last = film.iloc[start], film.iloc[end - 1]
                rows.append((video_id, number, start, end - 1, first["start_seconds"], last["end_seconds"]))
    columns = ["video_id", "scene", "first_shot", "last_shot", "start_seconds", "end_seconds"]
    pd.DataFrame(rows, columns=columns).astype({"video_id": "str"}).to_parquet(scenes, index=False)
    return {"scenes": len(rows)}


if __name__ == "__main__":
    main.cli()
