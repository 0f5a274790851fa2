"""Read one table from CSV, Parquet or JSON lines; a line that is no row is set aside, not lost."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pandas as pd

from components.catalogue.raw_tables import RawTable
from components.catalogue.tables import CatalogueError

csv.field_size_limit(2**24)


def read_file(file: Path) -> RawTable:
    """Read a table with the reader that its ending calls for.

    Raises CatalogueError where the file as a whole cannot be read.
    """
    try:
        return {".csv": _csv, ".jsonl": _json_lines, ".parquet": _parquet}[file.suffix](file)
    except (ValueError, OSError) as fault:
        raise CatalogueError(
            f"{file} cannot be read: {fault}. Write it again, as UTF-8 if it is text."
        ) from None


def _csv(file: Path) -> RawTable:
    """Read comma-, semicolon- or tab-separated values, whichever the heading has most of."""
    text = file.read_bytes().decode("utf-8-sig")
    first = text.partition("\n")[0]
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=first.count), strict=True)
    records: list[tuple[int, list[str]]] = []
    row = 1
    try:
        for record in lines:
            if record:
                records.append((row, record))
            row = lines.line_num + 1
    except csv.Error as fault:
        raise CatalogueError(
            f"{file}, row {row}: {fault}. Close the quotes; a quote inside a text is written twice."
        ) from None
    if not records:
        raise CatalogueError(f"{file} is empty. Write a heading with the names of the columns.")
    heading = _heading(file, records[0][1])
    return _table(file, heading, records[1:])


def _heading(file: Path, cells: list[str]) -> list[str]:
    heading = [cell.strip() for cell in cells]
    again = [name for place, name in enumerate(heading) if name in heading[:place]]
    if again:
        raise CatalogueError(f"{file} has two columns {again[0]!r}. Rename or drop one of them.")
    return heading


def _table(file: Path, heading: list[str], records: list[tuple[int, list[str]]]) -> RawTable:
    whole = [(row, record) for row, record in records if len(record) == len(heading)]
    unreadable = [
        (row, ",".join(record),
         f"the row has {len(record)} fields, the heading {len(heading)}. Quote texts that hold the separator.")
        for row, record in records if len(record) != len(heading)
    ]  # fmt: skip
    frame = pd.DataFrame([record for _, record in whole], columns=heading, dtype=object)
    return RawTable(frame, str(file), [row for row, _ in whole], unreadable)


def _json_lines(file: Path) -> RawTable:
    records: list[dict[str, Any]] = []
    rows: list[int] = []
    unreadable = []
    for row, line in enumerate(file.read_bytes().decode("utf-8-sig").split("\n"), 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except ValueError as fault:
            record = fault
        if isinstance(record, dict):
            records.append(record)
            rows.append(row)
        else:
            unreadable.append((row, line, "the line is not a JSON object. Write one object a line."))
    return RawTable(pd.DataFrame(records, dtype=object), str(file), rows, unreadable)


def _parquet(file: Path) -> RawTable:
    frame = pd.read_parquet(file)
    return RawTable(frame, str(file), range(1, len(frame) + 1))
