"""All that is known of the films in one HDF5 file: a group a film with shots, scenes, clip and audio features."""

import json

import h5py
import numpy as np
import pandas as pd

from components.core.stage import Counts, Input, Output, stage
from components.video.hdf5_store import write_array
from components.video.settings import VideoSettings


@stage(VideoSettings)
def main(
    shots: Input,
    scenes: Input,
    unread: Input,
    clip_features: Input,
    audio_features: Input,
    films: Output,
    quarantine: Output,
    metrics: Output,
    settings: VideoSettings,
) -> Counts:
    """Join what is known of each film; one that a later stage could not describe is set aside with the others."""
    scene_table = pd.read_parquet(scenes)
    aside = [pd.read_parquet(unread)]
    with h5py.File(clip_features) as seen, h5py.File(audio_features) as heard, h5py.File(films, "w") as file:
        for video_id, film in pd.read_parquet(shots).groupby("video_id", sort=True):
            sources = {"clip": seen, "audio": heard}
            reasons = [source[video_id].attrs.get("reason") for source in sources.values()]
            if any(reasons):
                aside.append(
                    film[["video_id", "item_id", "path"]].head(1).assign(reason=next(filter(None, reasons)))
                )
                continue
            group = file.create_group(video_id)
            group.attrs.update({name: film[name].iloc[0] for name in ("item_id", "sha256", "fps", "frames")})
            own = scene_table[scene_table["video_id"] == video_id]
            write_array(group, "shots", film[["start_seconds", "end_seconds"]].to_numpy())
            write_array(group, "scenes", own[["first_shot", "last_shot"]].to_numpy())
            write_array(group, "colours", np.stack(film["colour"].to_list()).astype(np.float32))
            for kind, source in sources.items():
                for name in source[video_id]:
                    source.copy(f"{video_id}/{name}", group)
                group.attrs.update({f"{kind}_{name}": value for name, value in source.attrs.items()})
            group.attrs["has_audio"] = bool(np.isfinite(group["audio_features"][:]).any())
        counts = _counts(file) | {"films_set_aside": sum(map(len, aside))}
    pd.concat(aside).to_parquet(quarantine, index=False)
    metrics.write_text(json.dumps(counts, indent=1) + "\n")
    return counts


def _counts(file: h5py.File) -> dict[str, int]:
    parts = {"shots": "shots", "scenes": "scenes", "clips": "clip_features"}
    return {"films": len(file)} | {
        name: sum(len(film[part]) for film in file.values()) for name, part in parts.items()
    }


if __name__ == "__main__":
    main.cli()
