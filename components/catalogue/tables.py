"""The tables of a catalogue: their columns, and the functions by which every package reads them."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from components.core.errors import TandemError


class CatalogueError(TandemError):
    """A catalogue that cannot be read: names file, row or column, and how to fix it."""


@dataclass(frozen=True)
class TableSchema:
    """One table: its columns with their pandas types, the columns that every row must fill, and the key."""

    columns: dict[str, str]
    required: tuple[str, ...]
    key: tuple[str, ...] = ()


TABLES = {
    "items": TableSchema(
        {
            "item_id": "str", "title": "str", "text": "str", "category": "str", "brand": "str",
            "price": "float64", "price_original": "float64", "currency": "str", "year": "Int64",
            "image": "str", "available": "bool", "attributes": "str",
        },
        ("item_id", "title"),
        ("item_id",),
    ),
    "interactions": TableSchema(
        {"user_id": "str", "item_id": "str", "timestamp": "int64", "weight": "float64", "kind": "str"},
        ("user_id", "item_id"),
    ),
    "queries": TableSchema({"query_id": "str", "text": "str", "user_id": "str", "harmful": "boolean"}, ("query_id", "text"), ("query_id",)),
    "judgements": TableSchema({"query_id": "str", "item_id": "str", "grade": "int64"}, ("query_id", "item_id", "grade")),
    "videos": TableSchema({"video_id": "str", "item_id": "str", "path": "str", "sha256": "str"}, ("video_id", "item_id", "path"), ("video_id",)),
    "quarantine": TableSchema({"table": "str", "row": "int64", "field": "str", "value": "str", "reason": "str"}, ()),
}  # fmt: skip


def cast_columns(name: str, frame: pd.DataFrame) -> pd.DataFrame:
    """Return a table with exactly its columns, in order, with their types."""
    columns = TABLES[name].columns
    return frame.reindex(columns=list(columns)).astype(columns).reset_index(drop=True)


def write_table(name: str, frame: pd.DataFrame, folder: Path) -> None:
    """Write a table to the catalogue's folder as Parquet."""
    folder.mkdir(parents=True, exist_ok=True)
    cast_columns(name, frame).to_parquet(folder / f"{name}.parquet", index=False)


def _find_file(name: str, folder: Path) -> Path:
    file = folder / f"{name}.parquet"
    if not file.is_file():
        raise CatalogueError(f"{file} is missing. Run the stage that makes it: dvc repro catalogue")
    # The schema lies at the end of the file, so that a table of another version is refused before it is read
    columns = pq.read_schema(file).names
    missing = [column for column in TABLES[name].columns if column not in columns]
    if missing:
        raise CatalogueError(
            f"{file} has no column {', '.join(missing)}. Run again: dvc repro --force catalogue"
        )
    return file


def _read_table(name: str, folder: Path) -> pd.DataFrame:
    return cast_columns(name, pd.read_parquet(_find_file(name, folder)))


def read_items(folder: Path) -> pd.DataFrame:
    """Read the items in the catalogue's order; `attributes` is a JSON object of name to list of strings."""
    return _read_table("items", folder)


def read_interactions(folder: Path) -> pd.DataFrame:
    """Read the interactions; timestamps are seconds since 1970, UTC."""
    return _read_table("interactions", folder)


def read_interaction_batches(folder: Path, rows: int = 1_000_000) -> Iterator[pd.DataFrame]:
    """Read the interactions in batches of rows, for tables too large for memory; ids and kinds are categories."""
    # A category keeps each id once, where a text column would repeat it in every row
    file = pq.ParquetFile(_find_file("interactions", folder), read_dictionary=["user_id", "item_id", "kind"])
    for batch in file.iter_batches(rows, columns=list(TABLES["interactions"].columns)):
        yield batch.to_pandas(ignore_metadata=True)


def read_queries(folder: Path) -> pd.DataFrame:
    """Read the queries, judged or not; `harmful` is the mark that staff gave."""
    return _read_table("queries", folder)


def read_judgements(folder: Path) -> pd.DataFrame:
    """Read the judgements; a grade says how well an item answers a query, from 0 to 3."""
    return _read_table("judgements", folder)


def read_videos(folder: Path) -> pd.DataFrame:
    """Read the films and the items that they belong to; another film under the same name has another hash."""
    return _read_table("videos", folder)


def read_shop(folder: Path) -> dict[str, Any]:
    """Read the catalogue's name, kind, description, currency, licence and source, and whether it is made up."""
    shop: dict[str, Any] = json.loads((folder / "shop.json").read_text())
    return shop
