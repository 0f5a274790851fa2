"""Which films are alike, and which of their scenes make them so.

The film vectors nearest to a film's are put in order by their scenes: how well, on average, each of the film's scenes is
met by one of the other's. Films that share a part are found better so than by the mean of all that they show.
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
PAIRS, CANDIDATES = 3, 10
COLUMNS = {
    "video_id": "str", "rank": "int64", "neighbour_id": "str", "similarity": "float64", "scene": "int64",
    "neighbour_scene": "int64", "scene_similarity": "float64",
}  # fmt: skip


def nearest(vectors: Floats, row: int, count: int) -> list[int]:
    """Other rows of unit vectors (n, d), the most alike first."""
    order = np.argsort(-(vectors @ vectors[row]), kind="stable")
    return [int(other) for other in order if other != row][:count]


def scene_vectors(film: h5py.Group, colour_weight: float) -> Floats:
    """Unit vectors of a film's scenes (scenes, d)."""
    owner = film["clip_shot"][:]
    clips = clip_signatures(film["clip_features"][:], film["colours"][:][owner], colour_weight)
    means = [clips[(owner >= first) & (owner <= last)].mean(axis=0) for first, last in film["scenes"][:]]
    return unit_rows(np.stack(means))


def match(scenes: Floats, others: Floats) -> float:
    """How alike each scene (n, d) and the nearest other one (m, d) are, on average."""
    return float((scenes @ others.T).max(axis=1).mean())


def pairs(scenes: Floats, others: Floats) -> list[tuple[int, int, float]]:
    """The most alike pairs of scenes of two films, each scene of the first at most once, and how alike they are."""
    scores = scenes @ others.T
    best = [(number, int(row.argmax()), float(row.max())) for number, row in enumerate(scores)]
    return sorted(best, key=lambda pair: -pair[2])[:PAIRS]


@stage(VideoSettings)
def main(films: Input, film_vectors: Input, neighbours: Output, settings: VideoSettings) -> Counts:
    """Write the nearest films of every film, a row for each of the pairs of scenes that are most alike."""
    table = pd.read_parquet(film_vectors)
    vectors, names = np.array(table["vector"].to_list(), dtype=np.float32), table["video_id"].to_list()
    rows = list[tuple[str, int, str, float, int, int, float]]()
    with h5py.File(films) as file:
        scenes = {name: scene_vectors(file[name], settings.colour_weight) for name in names}
        for row, name in enumerate(names):
            near = [names[other] for other in nearest(vectors, row, CANDIDATES * settings.similar_films)]
            scores = {other: match(scenes[name], scenes[other]) for other in near}
            chosen = sorted(near, key=scores.__getitem__, reverse=True)[: settings.similar_films]
            for rank, other in enumerate(chosen, start=1):
                found = pairs(scenes[name], scenes[other])
                rows += [(name, rank, other, scores[other], *pair) for pair in found]
    pd.DataFrame(rows, columns=list(COLUMNS)).astype(COLUMNS).to_parquet(neighbours, index=False)
    return {"films": len(names)}


if __name__ == "__main__":
    main.cli()
