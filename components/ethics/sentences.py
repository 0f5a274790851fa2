"""The lists that staff edit: banned sentences with their category, and benign ones that only look alike."""

import csv
import re
from collections.abc import Callable, Iterator
from difflib import get_close_matches
from pathlib import Path

import pandas as pd

from components.ethics.settings import EthicsError

CATEGORIES = {
    "explosives", "weapons", "violence", "self-harm", "sexual content", "minors", "hate", "drugs", "fraud",
    "malware", "stalking", "poisons", "extremism", "theft", "harassment", "trafficking", "disinformation",
}  # fmt: skip
CONTROL = re.compile(r"[\x00-\x1f\x7f�]")
Check = Callable[[str], str | None]


def read_banned(folder: Path) -> pd.DataFrame:
    """Every banned sentence once: sentence, category, severity, language, source, place.

    Raises EthicsError naming file, row and field of a value that cannot be used.
    """
    return _read(
        folder,
        {
            "sentence": _sentence,
            "category": _category,
            "severity": lambda value: None if value in {"1", "2", "3"} else "use 1, 2 or 3",
            "language": lambda value: (
                None if re.fullmatch("[a-z]{2}", value) else "use two letters, such as en"
            ),
            "source": lambda value: None,
        },
    )


def read_benign(folder: Path) -> pd.DataFrame:
    """Every benign sentence once: sentence, place.

    Raises EthicsError naming file, row and field of a value that cannot be used.
    """
    return _read(folder, {"sentence": _sentence})


def _sentence(value: str) -> str | None:
    if not value.strip():
        return "it is empty; write a sentence, or delete the line"
    return "it holds a control or broken character; type it again" if CONTROL.search(value) else None


def _category(value: str) -> str | None:
    if value in CATEGORIES:
        return None
    near = get_close_matches(value, CATEGORIES, n=1)
    return (
        f"unknown; did you mean {near[0]}?"
        if near
        else f"unknown; use one of {', '.join(sorted(CATEGORIES))}"
    )


def _read(folder: Path, checks: dict[str, Check]) -> pd.DataFrame:
    """All files of a folder as one table, each sentence once whatever its case, with the `place` where it stands."""
    files = sorted(folder.glob("*.csv"))
    if not files:
        raise EthicsError(f"{folder} holds no CSV file. Restore it with: git checkout {folder}")
    table = pd.DataFrame([row for file in files for row in _rows(file, checks)], columns=[*checks, "place"])
    if table.empty:
        raise EthicsError(f"{folder} holds no sentence. Restore it with: git checkout {folder}")
    return table[~table["sentence"].str.lower().duplicated()].reset_index(drop=True)


def _rows(file: Path, checks: dict[str, Check]) -> Iterator[dict[str, str]]:
    with file.open(encoding="utf-8-sig", newline="") as stream:
        reader = csv.reader(stream)
        try:
            heading = next(reader, [])
            for column in checks:
                if column not in heading:
                    raise EthicsError(f"{file} has no column {column}. It has {', '.join(heading)}; add it.")
            for values in reader:
                place = f"{file}, row {reader.line_num}"
                if values and len(values) != len(heading):
                    raise EthicsError(
                        f"{place}: too many or too few fields. Quote a sentence that holds a comma."
                    )
                row = dict(zip(heading, values or [""] * len(heading), strict=True))
                for column, check in checks.items():
                    if fault := check(row[column]):
                        raise EthicsError(f"{place}, {column} {row[column]!r}: {fault}.")
                yield {column: row[column].strip() for column in checks} | {"place": place}
        except UnicodeDecodeError:
            raise EthicsError(f"{file} is not UTF-8. Save it as UTF-8.") from None
