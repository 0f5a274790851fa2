"""A page of films: the shots and scenes of each as a strip of thumbnails, and the films that are similar to it."""

import base64
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
from jinja2 import Environment, FileSystemLoader
from numpy.typing import NDArray

from components.core.stage import Counts, Input, Output, stage
from components.video.settings import VideoSettings

# Thumbnails stand in the page itself, so these bound its size
MAX_PAGE_FILMS, MAX_PAGE_CLIPS = 50, 60
MAX_PREVIEW_CLIPS = 24  # fewer, as every film of a bundle has a preview


def thumbnail_url(film: h5py.Group, clip: int) -> str:
    """Return the thumbnail of a clip as a data URL."""
    # One row is read: that of a whole film would be megabytes for each picture
    content = film["thumbnails"][clip].tobytes().rstrip(b"\0")
    return f"data:image/jpeg;base64,{base64.b64encode(content).decode()}"


def clips_by_scene(film: h5py.Group) -> list[NDArray[np.int64]]:
    """Return the clips of each scene."""
    owner = film["clip_shot"][:]
    return [np.flatnonzero((owner >= first) & (owner <= last)) for first, last in film["scenes"][:]]


def thumbnail_strip(film: h5py.Group, max_clips: int) -> list[list[dict[str, Any]]]:
    """Return clips of each scene: picture, shot, and the second at which the shot begins.

    Of more than `max_clips` clips as many are chosen, evenly spread over the film.
    """
    owner, starts = film["clip_shot"][:], film["shots"][:, 0]
    chosen = np.linspace(0, len(owner) - 1, min(max_clips, len(owner))).round().astype(int)
    strip = []
    for clips in clips_by_scene(film):
        scene = []
        for clip in clips[np.isin(clips, chosen)].tolist():
            shot = int(owner[clip])
            scene.append({"picture": thumbnail_url(film, clip), "shot": shot, "seconds": float(starts[shot])})
        strip.append(scene)
    return strip


def scene_thumbnail(film: h5py.Group, scene: int) -> str:
    """Return the thumbnail of the clip in the middle of a scene."""
    clips = clips_by_scene(film)[scene]
    return thumbnail_url(film, int(clips[len(clips) // 2]))


def list_neighbours(file: h5py.File, rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the similar films of one film, with the pairs of scenes that are most similar."""
    neighbours = []
    for name, own in rows.groupby("neighbour_id", sort=False):
        pairs = []
        for pair in own.to_dict("records"):
            pictures = {
                "one": scene_thumbnail(file[pair["video_id"]], pair["scene"]),
                "other": scene_thumbnail(file[name], pair["neighbour_scene"]),
            }
            known = ("scene", "neighbour_scene", "scene_similarity")
            pairs.append(pictures | {key: pair[key] for key in known})
        item_id, similarity = str(file[name].attrs["item_id"]), float(own["similarity"].iloc[0])
        neighbours.append({"name": name, "item_id": item_id, "similarity": similarity, "pairs": pairs})
    return neighbours


def describe_film(file: h5py.File, name: str, neighbours: pd.DataFrame, max_clips: int) -> dict[str, Any]:
    """Return what a page shows of a film, with at most so many of its clips."""
    film = file[name]
    return {
        "name": name,
        "item_id": str(film.attrs["item_id"]),
        "seconds": float(film["shots"][-1, 1]),
        "shots": len(film["shots"]),
        "scenes": thumbnail_strip(film, max_clips),
        # The templates and the service know this field as "neighbours"
        "neighbours": list_neighbours(file, neighbours[neighbours["video_id"] == name]),
    }


def make_film_previews(films: Path, neighbours: Path) -> Iterator[dict[str, Any]]:
    """Yield what a service shows of each film: fewer clips, and of each similar film the best pair of scenes."""
    # Rows are ordered by similarity, so the first of a film's pairs is the best
    table = pd.read_parquet(neighbours).drop_duplicates(["video_id", "neighbour_id"])
    with h5py.File(films) as file:
        for name in file:
            yield describe_film(file, name, neighbours=table, max_clips=MAX_PREVIEW_CLIPS)


@stage(VideoSettings)
def main(films: Input, neighbours: Input, page: Output, settings: VideoSettings) -> Counts:
    """Write one HTML page that needs no other file."""
    table, shown = pd.read_parquet(neighbours), list[dict[str, Any]]()
    templates = Environment(loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True)
    with h5py.File(films) as file:
        for name in islice(file, MAX_PAGE_FILMS):
            shown.append(describe_film(file, name, neighbours=table, max_clips=MAX_PAGE_CLIPS))
        n_more = len(file) - len(shown)
    page.write_text(templates.get_template("films.html").render(films=shown, more=n_more))
    return {"films": len(shown)}


if __name__ == "__main__":
    main.cli()
