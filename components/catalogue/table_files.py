"""Readers of a table in CSV, Parquet or JSON lines; a line that is no row is set aside, not lost."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pandas as pd

from components.catalogue.raw_tables import RawTable
from components.catalogue.tables import CatalogueError

csv.field_size_limit(2**24)  # long texts exceed the default of 128 kB


def read_file(file: Path) -> RawTable:
    """Read a table with the reader for the file's suffix.

    Raises CatalogueError where the file as a whole cannot be read.
    """
    try:
        return READERS[file.suffix](file)
    except (ValueError, OSError) as error:
        raise CatalogueError(
            f"{file} cannot be read: {error}. Write it again, as UTF-8 if it is text."
        ) from None


def _read_csv(file: Path) -> RawTable:
    """Read comma-, semicolon- or tab-separated values, whichever the heading has most of."""
    text = file.read_bytes().decode("utf-8-sig")  # spreadsheets write a byte order mark
    heading_line = text.partition("\n")[0]
    separator = max(",;\t", key=heading_line.count)
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    records: list[tuple[int, list[str]]] = []
    row = 1
    try:
        for record in lines:
            if record:
                records.append((row, record))
            # A quoted text may go over several lines, so rows are not counted by records
            row = lines.line_num + 1
    except csv.Error as error:
        # An open quote takes in the rest of the file, so the other rows cannot be told apart
        raise CatalogueError(
            f"{file}, row {row}: {error}. Close the quotes; a quote inside a text is written twice."
        ) from None
    if not records:
        raise CatalogueError(f"{file} is empty. Write a heading with the names of the columns.")
    heading = _check_heading(file, records[0][1])
    return _make_table(file, heading, records[1:])


def _check_heading(file: Path, cells: list[str]) -> list[str]:
    heading = [*map(str.strip, cells)]
    for column in heading:
        if heading.count(column) > 1:
            raise CatalogueError(f"{file} has two columns {column!r}. Rename or drop one of them.")
    return heading


def _make_table(file: Path, heading: list[str], records: list[tuple[int, list[str]]]) -> RawTable:
    rows: list[int] = []
    cells: list[list[str]] = []
    unreadable: list[tuple[int, str, str]] = []
    for row, record in records:
        if len(record) == len(heading):
            rows.append(row)
            cells.append(record)
        else:
            reason = f"the row has {len(record)} fields, the heading {len(heading)}. Quote texts that hold the separator."
            unreadable.append((row, ",".join(record), reason))
    frame = pd.DataFrame(cells, columns=heading, dtype=object)
    return RawTable(frame, str(file), rows=rows, unreadable=unreadable)


def _read_json_lines(file: Path) -> RawTable:
    records: list[dict[str, Any]] = []
    rows: list[int] = []
    unreadable = []
    # splitlines would also split at U+2028, which JSON texts may have
    for row, line in enumerate(file.read_bytes().decode("utf-8-sig").split("\n"), 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except ValueError:
            record = None
        if isinstance(record, dict):
            records.append(record)
            rows.append(row)
        else:
            unreadable.append((row, line, "the line is not a JSON object. Write one object a line."))
    return RawTable(pd.DataFrame(records, dtype=object), str(file), rows=rows, unreadable=unreadable)


def _read_parquet(file: Path) -> RawTable:
    frame = pd.read_parquet(file)
    return RawTable(frame, str(file), rows=range(1, len(frame) + 1))


READERS = {".csv": _read_csv, ".jsonl": _read_json_lines, ".parquet": _read_parquet}
