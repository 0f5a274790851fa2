"""Read a folder of CSV, Parquet or JSONL tables, and of films: the format of one's own catalogue."""

import json
from collections.abc import Iterable
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from components.catalogue.cell_values import as_text, is_missing
from components.catalogue.raw_tables import RawCatalogue, RawTable
from components.catalogue.table_files import read_file
from components.catalogue.tables import TABLES, CatalogueError

ENDINGS = (".parquet", ".csv", ".jsonl")
FILMS = {".mp4", ".mkv", ".mov", ".webm", ".avi"}
GIVEN = ("items", "interactions", "queries", "judgements", "videos")
SHOP = {"name": "", "description": "", "currency": None, "made_up": False, "licence": "", "source": ""}


def read_folder(folder: Path, decimal: str) -> RawCatalogue:
    """Read every table that the folder holds; only items are required.

    Other columns of items become attributes; `|` separates several values.
    Raises CatalogueError where the folder has no items, a table has two files, or a column is missing.
    """
    files = {name: file for name in GIVEN if (file := _file(folder, name)) is not None}
    if "items" not in files:
        raise CatalogueError(
            f"{folder} holds no items.csv, items.parquet or items.jsonl. "
            "Put one there (docs/own-catalogue.md says what it holds), or choose another source in conf/catalogue.yaml."
        )
    tables = {name: _with_columns(name, read_file(file)) for name, file in files.items()}
    if "videos" in tables:
        tables["videos"] = _beside(tables["videos"], folder)
    elif (folder / "videos").is_dir():
        tables["videos"] = _films(folder / "videos")
    tables["items"] = replace(tables["items"], frame=_with_attributes(tables["items"].frame))
    return RawCatalogue(tables, _shop(folder), decimal)


def _file(folder: Path, name: str) -> Path | None:
    found = [folder / (name + ending) for ending in ENDINGS if (folder / (name + ending)).is_file()]
    if len(found) > 1:
        both = " and ".join(file.name for file in found)
        raise CatalogueError(f"{folder} holds {both}: which counts? Leave one of them there.")
    return found[0] if found else None


def _with_columns(name: str, found: RawTable) -> RawTable:
    """Raise CatalogueError, naming the nearest column, where one that is required is missing."""
    columns = [str(column) for column in found.frame.columns]
    missing = [column for column in TABLES[name].required if column not in columns]
    if not missing or (found.frame.empty and found.unreadable):
        return found
    near = get_close_matches(missing[0], columns, n=1)
    hint = f"Rename {near[0]} to {missing[0]}" if near else "Add it"
    listed = ", ".join(columns) or "no columns"
    raise CatalogueError(f"{found.file} has no column {missing[0]}. {hint} (found: {listed}).")


def _with_attributes(items: pd.DataFrame) -> pd.DataFrame:
    """Gather the columns that are not the schema's into `attributes`."""
    extra = [column for column in items.columns if column not in TABLES["items"].columns]
    items = items.copy()
    items["attributes"] = [_attributes(row, extra) for row in items.to_dict("records")]
    return items.drop(columns=extra)


def _attributes(row: dict[Any, Any], extra: list[str]) -> str:
    """One JSON object of lists; what is given as `attributes` and is none stays as it is, to be set aside."""
    given = row.get("attributes")
    try:
        read = {} if is_missing(given) else given if isinstance(given, dict) else json.loads(str(given))
    except ValueError:
        return str(given)
    if not isinstance(read, dict):
        return str(given)
    named = [(str(name), value) for name, value in read.items()] + [
        (name, row[name]) for name in extra if name
    ]
    values = {name: texts for name, value in named if (texts := _texts(value))}
    return json.dumps(dict(sorted(values.items())), ensure_ascii=False)


def _texts(value: object) -> list[str]:
    parts = value.split("|") if isinstance(value, str) else value
    listed = parts if isinstance(parts, Iterable) else [parts]
    return [as_text(part) for part in listed if not is_missing(part)]


def _beside(videos: RawTable, folder: Path) -> RawTable:
    """Paths of films are relative to the folder that their table lies in."""
    paths = [None if is_missing(path) else str(folder / str(path).strip()) for path in videos.frame["path"]]
    return replace(
        videos, frame=videos.frame.assign(path=pd.Series(paths, index=videos.frame.index, dtype=object))
    )


def _films(folder: Path) -> RawTable:
    """Films lying in a folder belong to the item whose id is their name."""
    films = sorted(file for file in folder.iterdir() if file.suffix.lower() in FILMS)
    frame = pd.DataFrame([{"video_id": film.stem, "item_id": film.stem, "path": str(film)} for film in films])
    return RawTable(frame, str(folder), range(1, len(films) + 1))


def _shop(folder: Path) -> dict[str, Any]:
    file = next((folder / name for name in ("shop.yaml", "shop.json") if (folder / name).is_file()), None)
    try:
        given = (yaml.safe_load(file.read_text(encoding="utf-8")) or {}) if file else {}
    except (yaml.YAMLError, ValueError) as fault:
        raise CatalogueError(f"{file} is not YAML: {fault}. Mend that line.") from None
    if not isinstance(given, dict):
        raise CatalogueError(f"{file} holds no keys. Write lines such as name: My shop.")
    unknown = sorted(str(key) for key in set(given) - set(SHOP))
    if unknown:
        raise CatalogueError(f"{file}, {unknown[0]}: unknown key. Known keys: {', '.join(SHOP)}.")
    return SHOP | {"name": folder.resolve().name} | given
