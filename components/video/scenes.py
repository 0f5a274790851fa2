"""Group shots into scenes by optimal sequential grouping with normalised cost (Rotman, Porat and Ashour, 2016)."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from components.stage import Counts, Input, Output, stage
from components.video.settings import VideoSettings

Matrix = NDArray[np.float64]
KEPT = 0.8


def distances(colours: Matrix) -> Matrix:
    """One less the histogram intersection of shots (s, c), (s, s) in [0, 1]."""
    return np.stack([1 - np.minimum(colours, colour).sum(axis=1) for colour in colours]).clip(0, 1)


def elbow(distance: Matrix) -> int:
    """How many scenes: the point of the log singular values farthest from the line between their ends.

    The smallest fifth, which shots that look nearly alike push towards nothing, is left out: it bends the line.
    """
    values = np.log(np.maximum(np.linalg.svd(distance, compute_uv=False), 1e-9))
    values = values[: max(3, round(KEPT * len(values)))]
    if len(values) < 3 or values[0] - values[-1] < 1e-9:
        return 1
    line = np.linspace(values[0], values[-1], len(values))
    return max(1, int(np.argmax(line - values)))


def group(distance: Matrix, n_scenes: int) -> list[int]:
    """Split consecutive shots into scenes of least summed mean distance within a scene.

    distance: (s, s), symmetric. Returns the first shot of each scene, starting with 0.
    Raises ValueError if n_scenes is not in 1..s.
    """
    shots = len(distance)
    if not 1 <= n_scenes <= shots:
        raise ValueError(f"{n_scenes} scenes of {shots} shots")
    total = np.zeros((shots + 1, shots + 1))
    total[1:, 1:] = distance.cumsum(axis=0).cumsum(axis=1)
    ends = np.arange(shots + 1)

    def cost(start: int) -> Matrix:
        """Mean distance times length of scenes [start, end) for every end."""
        block = total[ends, ends] - total[start, ends] - total[ends, start] + total[start, start]
        return np.where(ends > start, block / np.maximum(ends - start, 1), np.inf)

    costs = np.stack([cost(start) for start in range(shots)])
    best = np.full((n_scenes + 1, shots + 1), np.inf)
    best[0, 0] = 0
    came = np.zeros((n_scenes + 1, shots + 1), dtype=int)
    for scene in range(1, n_scenes + 1):
        reach = best[scene - 1, :shots, None] + costs
        best[scene], came[scene] = reach.min(axis=0), reach.argmin(axis=0)
    starts, end = [], shots
    for scene in range(n_scenes, 0, -1):
        end = int(came[scene, end])
        starts.append(end)
    return starts[::-1]


@stage(VideoSettings)
def main(shots: Input, scenes: Output, settings: VideoSettings) -> Counts:
    """Write video_id, scene, first and last shot, and seconds of every scene."""
    rows = []
    for video_id, film in pd.read_parquet(shots).groupby("video_id", sort=True):
        distance = distances(np.stack(film["colour"].to_list()).astype(np.float64))
        starts = group(distance, elbow(distance))
        for number, (start, end) in enumerate(zip(starts, [*starts[1:], len(film)], strict=True)):
            first, last = film.iloc[start], film.iloc[end - 1]
            rows.append((video_id, number, start, end - 1, first["start_seconds"], last["end_seconds"]))
    columns = ["video_id", "scene", "first_shot", "last_shot", "start_seconds", "end_seconds"]
    pd.DataFrame(rows, columns=columns).astype({"video_id": "str"}).to_parquet(scenes, index=False)
    return {"scenes": len(rows)}


if __name__ == "__main__":
    main.cli()
