"""The lists that staff edit: banned sentences with their category, and benign ones that only look alike."""

import csv
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from components.ethics.settings import EthicsError

CATEGORIES = {
    "explosives", "weapons", "violence", "self-harm", "sexual content", "minors", "hate", "drugs", "fraud",
    "malware", "stalking", "poisons", "extremism", "theft", "harassment", "trafficking", "disinformation",
}  # fmt: skip


def read_banned(folder: Path) -> pd.DataFrame:
    """Every banned sentence: sentence, category, severity, language, source.

    Raises EthicsError naming file and row of an empty sentence or an unknown category.
    """
    table = _read(folder, ["sentence", "category", "severity", "language", "source"])
    for row in table.itertuples():
        if row.category not in CATEGORIES:
            known = ", ".join(sorted(CATEGORIES))
            raise EthicsError(f"{row.place}: unknown category {row.category!r}. Use one of {known}.")
    return table


def read_benign(folder: Path) -> pd.DataFrame:
    """Every benign sentence."""
    return _read(folder, ["sentence"])


def _read(folder: Path, columns: list[str]) -> pd.DataFrame:
    """All files of a folder as one table, each sentence once, with the `place` where it stands."""
    files = sorted(folder.glob("*.csv"))
    if not files:
        raise EthicsError(f"{folder} holds no CSV file. Restore it with: git checkout {folder}")
    table = pd.DataFrame([row for file in files for row in _rows(file, columns)], columns=[*columns, "place"])
    if table.empty:
        raise EthicsError(f"{folder} holds no sentence. Restore it with: git checkout {folder}")
    return table.drop_duplicates("sentence").reset_index(drop=True)


def _rows(file: Path, columns: list[str]) -> Iterator[dict[str, str]]:
    with file.open(encoding="utf-8-sig", newline="") as stream:
        reader = csv.DictReader(stream)
        try:
            for column in columns:
                if column not in (reader.fieldnames or []):
                    raise EthicsError(
                        f"{file} has no column {column}. It has {', '.join(reader.fieldnames or [])}; add it."
                    )
            for row in reader:
                place = f"{file}, row {reader.line_num}"
                if None in row or None in row.values():
                    raise EthicsError(
                        f"{place}: too many or too few fields. Quote a sentence that holds a comma."
                    )
                if not row["sentence"].strip():
                    raise EthicsError(f"{place}: the sentence is empty. Write one, or delete the line.")
                yield {**row, "place": place}
        except UnicodeDecodeError:
            raise EthicsError(f"{file} is not UTF-8. Save it as UTF-8.") from None
