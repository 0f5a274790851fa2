"""Merge all features of the films into one HDF5 file: a group a film with shots, scenes, clip and audio features."""

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
    """Merge the features of each film; one that a later stage could not describe is set aside with the others."""
    scene_table = pd.read_parquet(scenes)
    aside = [pd.read_parquet(unread)]
    with h5py.File(clip_features) as clips, h5py.File(audio_features) as audio, h5py.File(films, "w") as file:
        sources = {"clip": clips, "audio": audio}
        for video_id, film in pd.read_parquet(shots).groupby("video_id", sort=True):
            # A film may have gone between two stages: a group with a reason stands in for its features
            reason = clips[video_id].attrs.get("reason") or audio[video_id].attrs.get("reason")
            if reason:
                aside.append(film[["video_id", "item_id", "path"]].head(1).assign(reason=reason))
                continue
            group = file.create_group(video_id)
            for name in ("item_id", "sha256", "fps", "frames"):
                group.attrs[name] = film[name].iloc[0]
            own = scene_table[scene_table["video_id"] == video_id]
            write_array(group, "shots", array=film[["start_seconds", "end_seconds"]].to_numpy())
            write_array(group, "scenes", array=own[["first_shot", "last_shot"]].to_numpy())
            colours = np.stack(film["colour"].to_list()).astype(np.float32)
            write_array(group, "colours", array=colours)
            for kind, source in sources.items():
                # HDF5 copies the compressed bytes, with their checksums
                for name in source[video_id]:
                    source.copy(f"{video_id}/{name}", group)
                for name, value in source.attrs.items():
                    group.attrs[f"{kind}_{name}"] = value
            group.attrs["has_audio"] = bool(np.isfinite(group["audio_features"][:]).any())
        counts = _count_arrays(file) | {"films_set_aside": sum(map(len, aside))}
    pd.concat(aside).to_parquet(quarantine, index=False)
    metrics.write_text(json.dumps(counts, indent=1) + "\n")
    return counts


def _count_arrays(file: h5py.File) -> dict[str, int]:
    counts = {"films": len(file), "shots": 0, "scenes": 0, "clips": 0}
    for film in file.values():
        counts["shots"] += len(film["shots"])
        counts["scenes"] += len(film["scenes"])
        counts["clips"] += len(film["clip_features"])
    return counts


if __name__ == "__main__":
    main.cli()
