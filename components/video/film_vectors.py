"""One unit vector a film: the mean of its clips' features, with its colours and its sound."""

import h5py
import numpy as np
import pandas as pd

from components.core.linear_algebra import unit_rows
from components.core.stage import Counts, Input, Output, stage
from components.video.settings import VideoSettings
from components.video.signatures import Floats, clip_signatures


def pool_film(clips: Floats, colours: Floats, audio: Floats, settings: VideoSettings) -> Floats:
    """Return clips (c, d), their colours (c, 64) and the sound of shots (s, a) as one unit vector (d + 64 + a,)."""
    picture = unit_rows(clip_signatures(clips, colours, colour_weight=settings.colour_weight).mean(axis=0))
    # Zeros for a film without sound: it is compared by its picture alone. nanmean of NaN alone would warn
    heard = np.nanmean(audio, axis=0) if np.isfinite(audio).any() else np.zeros(audio.shape[1])
    sound = unit_rows(np.nan_to_num(heard))
    return unit_rows(np.concatenate([picture * (1 - settings.audio_weight), sound * settings.audio_weight]))


@stage(VideoSettings)
def main(films: Input, film_vectors: Output, settings: VideoSettings) -> Counts:
    """Write item_id, video_id, vector."""
    rows = []
    with h5py.File(films) as file:
        for video_id, film in file.items():
            colours = film["colours"][:][film["clip_shot"][:]]
            vector = pool_film(
                film["clip_features"][:], colours, audio=film["audio_features"][:], settings=settings
            )
            rows.append((str(film.attrs["item_id"]), video_id, vector))
    table = pd.DataFrame(rows, columns=["item_id", "video_id", "vector"])
    table.astype({"item_id": "str", "video_id": "str"}).to_parquet(film_vectors, index=False)
    return {"films": len(rows)}


if __name__ == "__main__":
    main.cli()
