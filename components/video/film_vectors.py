"""One unit vector a film: the mean of its clips' features, with its colours and its sound.

Square roots, with the number's sign, keep the few large numbers of features and histograms from deciding alone how alike
two films are.
"""

import h5py
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from components.stage import Counts, Input, Output, stage
from components.video.settings import VideoSettings

Floats = NDArray[np.float32]


def unit(vectors: Floats) -> Floats:
    """Vectors (..., d) at length 1; zeros stay."""
    return (vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)).astype(np.float32)


def root(values: NDArray[np.floating]) -> Floats:
    """Square roots of values (..., d), with their signs."""
    return (np.sign(values) * np.sqrt(np.abs(values))).astype(np.float32)


def seen(clips: Floats, colours: Floats, colour_weight: float) -> Floats:
    """Clips (n, d) and colours (n, 64) as unit vectors (n, d + 64)."""
    return unit(np.hstack([unit(root(clips)), colour_weight * unit(root(colours))]))


def pool(clips: Floats, colours: Floats, audio: Floats, settings: VideoSettings) -> Floats:
    """What is seen (n, d), (n, 64) and heard (s, a) as one unit vector; a film without sound has zeros there."""
    picture = unit(seen(clips, colours, settings.colour_weight).mean(axis=0))
    sound = unit(np.nan_to_num(np.nanmean(audio, axis=0) if np.isfinite(audio).any() else audio[0]))
    weight = settings.audio_weight
    return unit(np.concatenate([picture * (1 - weight), sound * weight]))


@stage(VideoSettings)
def main(films: Input, film_vectors: Output, settings: VideoSettings) -> Counts:
    """Write item_id, video_id, vector."""
    rows = []
    with h5py.File(films) as file:
        for video_id, film in file.items():
            colours = film["colours"][:][film["clip_shot"][:]]
            vector = pool(film["clip_features"][:], colours, film["audio_features"][:], settings)
            rows.append((str(film.attrs["item_id"]), video_id, vector))
    table = pd.DataFrame(rows, columns=["item_id", "video_id", "vector"]).astype(
        {"item_id": "str", "video_id": "str"}
    )
    table.to_parquet(film_vectors, index=False)
    return {"films": len(rows)}


if __name__ == "__main__":
    main.cli()
