"""One unit vector a film: the mean of its clips' features, with its colours and its sound."""

import h5py
import numpy as np
import pandas as pd

from components.core.linear_algebra import unit_rows
from components.core.stage import Counts, Input, Output, stage
from components.video.settings import VideoSettings
from components.video.signatures import Floats, clip_signatures


def pool(clips: Floats, colours: Floats, audio: Floats, settings: VideoSettings) -> Floats:
    """What is seen (n, d), (n, 64) and heard (s, a) as one unit vector; a film without sound has zeros there."""
    picture = unit_rows(clip_signatures(clips, colours, settings.colour_weight).mean(axis=0))
    sound = unit_rows(np.nan_to_num(np.nanmean(audio, axis=0) if np.isfinite(audio).any() else audio[0]))
    weight = settings.audio_weight
    return unit_rows(np.concatenate([picture * (1 - weight), sound * weight]))


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
