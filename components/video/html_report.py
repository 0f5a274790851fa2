"""A page of films: the shots and scenes of each as a strip of thumbnails, and the films that are like it."""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
from jinja2 import Environment, FileSystemLoader
from numpy.typing import NDArray

from components.core.stage import Counts, Input, Output, stage
from components.video.settings import VideoSettings

SHOWN_FILMS, SHOWN_CLIPS = 50, 60
CARRIED_CLIPS = 24


def picture(film: h5py.Group, clip: int) -> str:
    """The thumbnail of a clip as an address that holds it."""
    found = film["thumbnails"][clip].tobytes().rstrip(b"\0")
    return f"data:image/jpeg;base64,{base64.b64encode(found).decode()}"


def scene_clips(film: h5py.Group) -> list[NDArray[np.int64]]:
    """The clips of each scene."""
    owner = film["clip_shot"][:]
    return [np.flatnonzero((owner >= first) & (owner <= last)) for first, last in film["scenes"][:]]


def strip(film: h5py.Group, most: int) -> list[list[dict[str, Any]]]:
    """Clips of each scene, evenly thinned to the most: picture, shot, and the second at which the shot begins."""
    owner, starts = film["clip_shot"][:], film["shots"][:, 0]
    kept = set(np.linspace(0, len(owner) - 1, min(most, len(owner))).round().astype(int).tolist())
    return [
        [
            {
                "picture": picture(film, clip),
                "shot": int(owner[clip]),
                "seconds": float(starts[owner[clip]]),
            }
            for clip in clips.tolist()
            if clip in kept
        ]
        for clips in scene_clips(film)
    ]


def scene_picture(film: h5py.Group, scene: int) -> str:
    """The thumbnail of the clip in the middle of a scene."""
    clips = scene_clips(film)[scene]
    return picture(film, int(clips[len(clips) // 2]))


def likenesses(file: h5py.File, rows: pd.DataFrame) -> list[dict[str, Any]]:
    """The neighbours of a film with the pairs of scenes that are alike."""
    return [
        {
            "name": name,
            "item_id": str(file[name].attrs["item_id"]),
            "similarity": float(own["similarity"].iloc[0]),
            "pairs": [
                {
                    "one": scene_picture(file[pair["video_id"]], pair["scene"]),
                    "other": scene_picture(file[name], pair["neighbour_scene"]),
                    **{key: pair[key] for key in ("scene", "neighbour_scene", "scene_similarity")},
                }
                for pair in own.to_dict("records")
            ],
        }
        for name, own in rows.groupby("neighbour_id", sort=False)
    ]


def describe(file: h5py.File, name: str, neighbours: pd.DataFrame, most: int) -> dict[str, Any]:
    """What a page shows of a film, with so many of its clips."""
    film = file[name]
    return {
        "name": name,
        "item_id": str(film.attrs["item_id"]),
        "seconds": float(film["shots"][-1, 1]),
        "shots": len(film["shots"]),
        "scenes": strip(film, most),
        "similar_films": likenesses(file, neighbours[neighbours["video_id"] == name]),
    }


def carried(films: Path, neighbours: Path) -> Iterator[dict[str, Any]]:
    """What a service shows of each film: fewer clips, and of each neighbour the pair of scenes that is most alike."""
    table = pd.read_parquet(neighbours).drop_duplicates(["video_id", "neighbour_id"])
    with h5py.File(films) as file:
        for name in file:
            yield describe(file, name, table, CARRIED_CLIPS)


@stage(VideoSettings)
def main(films: Input, neighbours: Input, page: Output, settings: VideoSettings) -> Counts:
    """Write one HTML page that needs no other file."""
    table = pd.read_parquet(neighbours)
    with h5py.File(films) as file:
        shown = [describe(file, name, table, SHOWN_CLIPS) for name in list(file)[:SHOWN_FILMS]]
        template = Environment(
            loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True
        ).get_template("films.html")
        page.write_text(template.render(films=shown, more=len(file) - len(shown)))
    return {"films": len(shown)}


if __name__ == "__main__":
    main.cli()
