"""Find similar films, and the pairs of scenes that make them similar.

The nearest films by film vectors are ranked again by their scenes: how well, on average, each of a film's scenes is
matched by one of the other's. This finds films that share a part better than the mean of all that they show.
"""

import h5py
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from components.core.linear_algebra import unit_rows
from components.core.stage import Counts, Input, Output, stage
from components.video.settings import VideoSettings
from components.video.signatures import clip_signatures

Floats = NDArray[np.float32]
MAX_PAIRS = 3
# Scenes of all pairs of films would be too many, so the vectors choose ten times as many films as are listed
CANDIDATES_PER_FILM = 10
COLUMNS = {
    "video_id": "str", "rank": "int64", "neighbour_id": "str", "similarity": "float64", "scene": "int64",
    "neighbour_scene": "int64", "scene_similarity": "float64",
}  # fmt: skip


def find_nearest(vectors: Floats, row: int, count: int) -> list[int]:
    """Return the other rows of unit vectors (n, d) that are most similar to a row, the most similar first."""
    order = np.argsort(-(vectors @ vectors[row]), kind="stable")
    # Not order[1:], as a copy of the film may come before the film itself
    return order[order != row][:count].tolist()


def scene_vectors(film: h5py.Group, colour_weight: float) -> Floats:
    """Return unit vectors of a film's scenes (scenes, d)."""
    owner = film["clip_shot"][:]
    colours = film["colours"][:][owner]
    clips = clip_signatures(film["clip_features"][:], colours, colour_weight=colour_weight)
    means = [clips[(owner >= first) & (owner <= last)].mean(axis=0) for first, last in film["scenes"][:]]
    return unit_rows(np.stack(means))


def match_scenes(scenes: Floats, others: Floats) -> float:
    """Return the similarity of each scene (n, d) and its nearest other one (m, d), averaged over scenes."""
    return float((scenes @ others.T).max(axis=1).mean())


def find_scene_pairs(scenes: Floats, others: Floats) -> list[tuple[int, int, float]]:
    """Return the most similar pairs of scenes of two films and their similarity, each scene of the first once."""
    scores = scenes @ others.T
    best = scores.max(axis=1)
    order = np.argsort(-best, kind="stable")[:MAX_PAIRS]
    nearest = scores.argmax(axis=1)[order]
    return list(zip(order.tolist(), nearest.tolist(), best[order].tolist(), strict=True))


@stage(VideoSettings)
def main(films: Input, film_vectors: Input, neighbours: Output, settings: VideoSettings) -> Counts:
    """Write the nearest films of every film, a row for each of the pairs of scenes that are most similar."""
    table = pd.read_parquet(film_vectors)
    vectors, names = np.array(table["vector"].to_list(), dtype=np.float32), table["video_id"].to_list()
    rows = list[tuple[str, int, str, float, int, int, float]]()
    with h5py.File(films) as file:
        scenes = {name: scene_vectors(file[name], settings.colour_weight) for name in names}
    for row, name in enumerate(names):
        scores = dict[str, float]()
        for other in find_nearest(vectors, row, count=CANDIDATES_PER_FILM * settings.similar_films):
            scores[names[other]] = match_scenes(scenes[name], scenes[names[other]])
        chosen = sorted(scores, key=scores.__getitem__, reverse=True)[: settings.similar_films]
        for rank, neighbour in enumerate(chosen, start=1):
            for pair in find_scene_pairs(scenes[name], scenes[neighbour]):
                rows.append((name, rank, neighbour, scores[neighbour], *pair))
    pd.DataFrame(rows, columns=list(COLUMNS)).astype(COLUMNS).to_parquet(neighbours, index=False)
    return {"films": len(names)}


if __name__ == "__main__":
    main.cli()
