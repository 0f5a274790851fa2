"""Reader of a folder with CSV, Parquet or JSONL tables and films: the format of your own catalogue."""

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

TABLE_SUFFIXES = (".parquet", ".csv", ".jsonl")
VIDEO_SUFFIXES = {".mp4", ".mkv", ".mov", ".webm", ".avi"}
TABLE_NAMES = ("items", "interactions", "queries", "judgements", "videos")
# kind: of the things on offer, by which a language model is asked about them (conf/enrichment)
SHOP = {
    "name": "", "kind": "anything", "description": "", "currency": None, "made_up": False, "licence": "", "source": "",
}  # fmt: skip


def read_folder(folder: Path, decimal: str) -> RawCatalogue:
    """Read every table that the folder holds; only items are required.

    Other columns of items become attributes; `|` separates several values.
    Raises CatalogueError where the folder has no items, a table has two files, or a column is missing.
    """
    files: dict[str, Path] = {}
    for name in TABLE_NAMES:
        file = _find_file(folder, name)
        if file is not None:
            files[name] = file
    # Missing files are named first, before a large table is read
    if "items" not in files:
        raise CatalogueError(
            f"{folder} holds no items.csv, items.parquet or items.jsonl. "
            "Put one there (docs/own-catalogue.md says what it holds), or choose another source in conf/catalogue.yaml."
        )
    tables = {name: _require_columns(name, read_file(file)) for name, file in files.items()}
    if "videos" in tables:
        tables["videos"] = _resolve_paths(tables["videos"], folder)
    elif (folder / "videos").is_dir():
        tables["videos"] = _list_films(folder / "videos")
    tables["items"] = replace(tables["items"], frame=_gather_attributes(tables["items"].frame))
    return RawCatalogue(tables, _read_shop(folder), decimal)


def _find_file(folder: Path, name: str) -> Path | None:
    files = [*filter(Path.is_file, [folder / f"{name}{suffix}" for suffix in TABLE_SUFFIXES])]
    if len(files) > 1:
        both = " and ".join(file.name for file in files)
        raise CatalogueError(f"{folder} holds {both}: which counts? Leave one of them there.")
    return files[0] if files else None


def _require_columns(name: str, table: RawTable) -> RawTable:
    """Return the table; raise CatalogueError, naming the nearest column, where a required one is missing."""
    columns = [*map(str, table.frame.columns)]
    missing = [column for column in TABLES[name].required if column not in columns]
    # JSON lines of which none can be read have no columns; each line is set aside with its own reason
    if not missing or (table.frame.empty and table.unreadable):
        return table
    near = get_close_matches(missing[0], columns, n=1)
    hint = f"Rename {near[0]} to {missing[0]}" if near else "Add it"
    listed = ", ".join(columns) or "no columns"
    raise CatalogueError(f"{table.file} has no column {missing[0]}. {hint} (found: {listed}).")


def _gather_attributes(items: pd.DataFrame) -> pd.DataFrame:
    """Gather the columns that are not the schema's into `attributes`."""
    extra = [*items.columns.difference(list(TABLES["items"].columns), sort=False)]
    items = items.copy()
    items["attributes"] = [_encode_attributes(row, extra) for row in items.to_dict("records")]
    return items.drop(columns=extra)


def _encode_attributes(row: dict[Any, Any], extra: list[str]) -> str:
    """Return the attributes of a row as a JSON object of lists.

    A value of `attributes` that is no object is returned as it is, so that the validation sets the row aside.
    """
    given = row.get("attributes")
    attributes = {} if is_missing(given) else given
    if not isinstance(attributes, dict):
        try:
            attributes = json.loads(str(given))
        except ValueError:
            return str(given)
        if not isinstance(attributes, dict):
            return str(given)
    columns = [(name, row[name]) for name in extra if name]  # a heading may end in empty cells
    values: dict[str, list[str]] = {}
    for name, value in [*attributes.items(), *columns]:
        texts = _split_values(value)
        if texts:
            values[str(name)] = texts
    return json.dumps(values, sort_keys=True, ensure_ascii=False)


def _split_values(value: object) -> list[str]:
    parts = value.split("|") if isinstance(value, str) else value
    listed = parts if isinstance(parts, Iterable) else [parts]
    return [as_text(part) for part in listed if not is_missing(part)]


def _resolve_paths(videos: RawTable, folder: Path) -> RawTable:
    """Make the paths of films, which are relative to the folder of their table, relative to the project."""
    paths = []
    for path in videos.frame["path"]:
        paths.append(None if is_missing(path) else str(folder / str(path).strip()))
    column = pd.Series(paths, index=videos.frame.index, dtype=object)
    return replace(videos, frame=videos.frame.assign(path=column))


def _list_films(folder: Path) -> RawTable:
    """Return the films of a folder; each belongs to the item whose id is its name."""
    films = sorted(file for file in folder.iterdir() if file.suffix.lower() in VIDEO_SUFFIXES)
    ids = [film.stem for film in films]
    frame = pd.DataFrame({"video_id": ids, "item_id": ids, "path": [*map(str, films)]})
    return RawTable(frame, str(folder), range(1, len(films) + 1))


def _read_shop(folder: Path) -> dict[str, Any]:
    shop = SHOP | {"name": folder.resolve().name}
    files = [*filter(Path.is_file, (folder / "shop.yaml", folder / "shop.json"))]
    return shop | _read_keys(files[0]) if files else shop


def _read_keys(file: Path) -> dict[str, Any]:
    try:
        given = yaml.safe_load(file.read_text(encoding="utf-8")) or {}  # JSON is YAML too
    except (yaml.YAMLError, ValueError) as error:
        raise CatalogueError(f"{file} is not YAML: {error}. Correct that line.") from None
    if not isinstance(given, dict):
        raise CatalogueError(f"{file} holds no keys. Write lines such as name: My shop.")
    unknown = sorted(map(str, given.keys() - SHOP.keys()))
    if unknown:
        raise CatalogueError(f"{file}, {unknown[0]}: unknown key. Known keys: {', '.join(SHOP)}.")
    return given
