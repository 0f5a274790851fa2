"""All that is known of the films in one HDF5 file: a group a film with shots, scenes, clip and audio features."""

import json

import h5py
import pandas as pd

from components.stage import Counts, Input, Output, stage
from components.video.settings import VideoSettings


@stage(VideoSettings)
def main(
    shots: Input,
    scenes: Input,
    quarantine: Input,
    clip_features: Input,
    audio_features: Input,
    films: Output,
    metrics: Output,
    settings: VideoSettings,
) -> Counts:
    """Join the parts; times are in seconds, scenes are rows of first and last shot."""
    shot_table, scene_table = pd.read_parquet(shots), pd.read_parquet(scenes)
    clips = 0
    with h5py.File(clip_features) as seen, h5py.File(audio_features) as heard, h5py.File(films, "w") as file:
        file.attrs["units"] = "seconds"
        for video_id, film in shot_table.groupby("video_id", sort=True):
            group = file.create_group(str(video_id))
            group.attrs.update({name: film[name].iloc[0] for name in ("item_id", "sha256", "fps", "frames")})
            group.create_dataset("shots", data=film[["start_seconds", "end_seconds"]].to_numpy())
            own = scene_table[scene_table["video_id"] == video_id]
            group.create_dataset("scenes", data=own[["first_shot", "last_shot"]].to_numpy())
            for kind, source in {"clip": seen, "audio": heard}.items():
                for name in source[str(video_id)]:
                    source.copy(f"{video_id}/{name}", group)
                group.attrs.update({f"{kind}_{name}": value for name, value in source.attrs.items()})
            group.attrs["has_audio"] = heard[str(video_id)].attrs["has_audio"]
            clips += len(group["clip_features"])
    counts = {
        "films": shot_table["video_id"].nunique(),
        "films_set_aside": len(pd.read_parquet(quarantine)),
        "shots": len(shot_table),
        "scenes": len(scene_table),
        "clips": clips,
    }
    metrics.write_text(json.dumps(counts, indent=1) + "\n")
    return counts


if __name__ == "__main__":
    main.cli()
