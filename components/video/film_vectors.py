"""One unit vector a film: the mean of its clips' features, with its sound."""

import h5py
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from components.stage import Counts, Input, Output, stage
from components.video.settings import VideoSettings

Floats = NDArray[np.float32]


def unit(vector: Floats) -> Floats:
    """A vector at length 1; zeros stay."""
    return (vector / max(float(np.linalg.norm(vector)), 1e-9)).astype(np.float32)


def pool(clips: Floats, audio: Floats, audio_weight: float) -> Floats:
    """Clips (c, 1024) and sound (s, a) as one unit vector; a film without sound has zeros there."""
    seen = unit(np.stack([unit(clip) for clip in clips]).mean(axis=0))
    heard = unit(np.nan_to_num(np.nanmean(audio, axis=0) if np.isfinite(audio).any() else audio[0]))
    return unit(np.concatenate([seen * (1 - audio_weight), heard * audio_weight]))


@stage(VideoSettings)
def main(films: Input, film_vectors: Output, settings: VideoSettings) -> Counts:
    """Write item_id, video_id, vector."""
    rows = []
    with h5py.File(films) as file:
        for video_id, film in file.items():
            vector = pool(film["clip_features"][:], film["audio_features"][:], settings.audio_weight)
            rows.append((str(film.attrs["item_id"]), video_id, vector))
    table = pd.DataFrame(rows, columns=["item_id", "video_id", "vector"]).astype(
        {"item_id": "str", "video_id": "str"}
    )
    table.to_parquet(film_vectors, index=False)
    return {"films": len(rows)}


if __name__ == "__main__":
    main.cli()
