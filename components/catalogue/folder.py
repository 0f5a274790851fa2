"""Read a folder of CSV, Parquet or JSONL tables, and of films: the format of one's own catalogue."""

import json
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from components.catalogue.raw import Raw
from components.catalogue.tables import TABLES, CatalogueError

ENDINGS = (".parquet", ".csv", ".jsonl")
FILMS = {".mp4", ".mkv", ".mov", ".webm", ".avi"}
GIVEN = ("items", "interactions", "queries", "judgements", "videos")
SHOP = {"name": "", "description": "", "currency": None, "made_up": False, "licence": "", "source": ""}


def read_folder(folder: Path, decimal: str) -> Raw:
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
    frames = {name: _read(name, file) for name, file in files.items()}
    if (folder / "videos").is_dir() and "videos" not in frames:
        frames["videos"] = _films(folder / "videos")
    elif "videos" in frames:
        frames["videos"]["path"] = [str(folder / path) for path in frames["videos"]["path"]]
    frames["items"] = _with_attributes(frames["items"])
    first = {name: 1 if file.suffix != ".csv" else 2 for name, file in files.items()}
    return Raw(frames, {name: str(file) for name, file in files.items()}, _shop(folder), first, decimal)


def _file(folder: Path, name: str) -> Path | None:
    found = [folder / (name + ending) for ending in ENDINGS if (folder / (name + ending)).is_file()]
    if len(found) > 1:
        both = " and ".join(file.name for file in found)
        raise CatalogueError(f"{folder} holds {both}: which counts? Leave one of them there.")
    return found[0] if found else None


def _read(name: str, file: Path) -> pd.DataFrame:
    try:
        if file.suffix == ".csv":
            frame = pd.read_csv(file, dtype=str, keep_default_na=False, encoding="utf-8-sig")
        elif file.suffix == ".jsonl":
            lines = file.read_text().splitlines()
            frame = pd.DataFrame([json.loads(line) for line in lines if line.strip()])
        else:
            frame = pd.read_parquet(file)
    except (ValueError, OSError) as fault:
        raise CatalogueError(
            f"{file} cannot be read: {fault}. Write it again as UTF-8 with a heading."
        ) from None
    missing = [column for column in TABLES[name].required if column not in frame]
    if missing:
        raise CatalogueError(_missing(file, missing[0], [str(column) for column in frame.columns]))
    return frame


def _missing(file: Path, column: str, found: list[str]) -> str:
    near = get_close_matches(column, found, n=1)
    hint = f"Rename {near[0]} to {column}." if near else f"Add it. Found: {', '.join(found) or 'no columns'}."
    return f"{file} has no column {column}. {hint}"


def _with_attributes(items: pd.DataFrame) -> pd.DataFrame:
    """Gather the columns that are not the schema's into `attributes`."""
    extra = [column for column in items.columns if column not in TABLES["items"].columns]
    items = items.copy()
    items["attributes"] = [_attributes(row, extra) for row in items.to_dict("records")]
    return items.drop(columns=extra)


def _attributes(row: dict[Any, Any], extra: list[str]) -> str:
    given = row.get("attributes")
    values: dict[str, list[str]] = json.loads(given) if isinstance(given, str) and given else {}
    for name in extra:
        value = row[name]
        parts = list(value) if isinstance(value, list | tuple) else str(value).split("|")
        kept = [
            str(part).strip()
            for part in parts
            if part is not None and str(part).strip() not in ("", "nan", "None")
        ]
        if kept:
            values[name] = kept
    return json.dumps(dict(sorted(values.items())), ensure_ascii=False)


def _films(folder: Path) -> pd.DataFrame:
    """Films lying in a folder belong to the item whose id is their name."""
    films = sorted(file for file in folder.iterdir() if file.suffix.lower() in FILMS)
    return pd.DataFrame([{"video_id": film.stem, "item_id": film.stem, "path": str(film)} for film in films])


def _shop(folder: Path) -> dict[str, Any]:
    file = folder / "shop.yaml"
    given = yaml.safe_load(file.read_text()) if file.is_file() else {}
    unknown = sorted(set(given) - set(SHOP))
    if unknown:
        raise CatalogueError(f"{file}, {unknown[0]}: unknown key. Known keys: {', '.join(SHOP)}.")
    return SHOP | {"name": folder.resolve().name} | given
