"""The lists that staff edit: banned sentences with their category, and harmless ones, natural or only looking alike."""

import csv
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import pandas as pd

from components.ethics.settings import EthicsError
from components.search.item_text import clean

CATEGORIES = {
    "explosives", "weapons", "violence", "self-harm", "sexual content", "minors", "hate", "drugs", "fraud",
    "malware", "stalking", "poisons", "extremism", "theft", "harassment", "trafficking", "disinformation",
}  # fmt: skip
NATURAL_KINDS = ("short", "long", "persona", "talk")  # of requests as people write them
SHARP = "sharp"  # the kind of natural requests that were written to sound harmful
LOOK_ALIKE = "look-alike"  # the kind of a sentence that only looks harmful
CONTROL = re.compile(r"[\x00-\x1f\x7f�]")
SHOWN = 200  # characters of a value in a message
Check = Callable[[str], str | None]


@dataclass(frozen=True)
class SentenceLists:
    """The banned sentences (sentence, category, severity, language, source, place) and the benign ones.

    Benign are sentence, kind, language and place; the kind is one of NATURAL_KINDS, SHARP, or LOOK_ALIKE. Each sentence stands
    here once; `repeated` is how many rows said one again, and were set aside.
    """

    banned: pd.DataFrame
    benign: pd.DataFrame
    repeated: int


def read_lists(banned: Path, benign: Path) -> SentenceLists:
    """Read both folders.

    Raises EthicsError naming file, row and field of a value that cannot be used, or both places of a sentence that is
    banned and benign.
    """
    tables = _read(banned, BANNED), _read(benign, BENIGN)
    said = [table["sentence"].map(clean) for table in tables]
    first, second = (table[~own.duplicated()] for table, own in zip(tables, said, strict=True))
    place_of = dict(zip(said[0], tables[0]["place"], strict=True))
    for sentence, place in zip(said[1], tables[1]["place"], strict=True):
        if sentence in place_of:
            raise EthicsError(
                f"{place}: {sentence!r} is banned too, in {place_of[sentence]}. Delete it from one of them."
            )
    repeated = sum(map(len, tables)) - len(first) - len(second)
    return SentenceLists(first.reset_index(drop=True), second.reset_index(drop=True), repeated)


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


def _language(value: str) -> str | None:
    return None if re.fullmatch("[a-z]{2}", value) else "use two letters, such as en"


def _kind(value: str) -> str | None:
    kinds = (*NATURAL_KINDS, SHARP, LOOK_ALIKE)
    return None if value in kinds else f"use one of {', '.join(kinds)}"


BANNED: dict[str, Check] = {
    "sentence": _sentence,
    "category": _category,
    "severity": lambda value: None if value in {"1", "2", "3"} else "use 1, 2 or 3",
    "language": _language,
    "source": lambda value: None,
}
BENIGN: dict[str, Check] = {"sentence": _sentence, "kind": _kind, "language": _language}
DEFAULTS = {"kind": LOOK_ALIKE, "language": "en"}  # of columns that a file of benign sentences may leave out


def _read(folder: Path, checks: dict[str, Check]) -> pd.DataFrame:
    """All files of a folder as one table, with the `place` where each sentence stands."""
    files = sorted(folder.glob("*.csv"))
    if not files:
        raise EthicsError(f"{folder} holds no CSV file. Restore it with: git checkout {folder}")
    table = pd.DataFrame([row for file in files for row in _rows(file, checks)], columns=[*checks, "place"])
    if table.empty:
        raise EthicsError(f"{folder} holds no sentence. Restore it with: git checkout {folder}")
    return table


def _rows(file: Path, checks: dict[str, Check]) -> Iterator[dict[str, str]]:
    with file.open(encoding="utf-8-sig", newline="") as stream:
        reader = csv.reader(stream, strict=True)
        row = 1
        try:
            heading = next(reader, [])
            optional = DEFAULTS if checks is BENIGN else {}
            for column in checks:
                times = heading.count(column)
                if times > 1 or (times == 0 and column not in optional):
                    raise EthicsError(
                        f"{file} has {times or 'no'} columns named {column}. "
                        f"Its heading is {','.join(heading)!r}; write {','.join(checks)}."
                    )
            row = reader.line_num + 1
            for values in reader:
                yield _checked(values, heading, f"{file}, row {row}", checks)
                row = reader.line_num + 1
        except UnicodeDecodeError:
            raise EthicsError(f"{file} is not UTF-8. Save it as UTF-8.") from None
        except csv.Error as fault:
            raise EthicsError(
                f"{file}, row {row}: {fault}. Close the quotes; a quote inside a sentence is written twice."
            ) from None


def _checked(values: list[str], heading: list[str], place: str, checks: dict[str, Check]) -> dict[str, str]:
    if values and len(values) != len(heading):
        raise EthicsError(f"{place}: too many or too few fields. Quote a sentence that holds a comma.")
    row = DEFAULTS | dict(zip(heading, values or [""] * len(heading), strict=True))
    for column, check in checks.items():
        if fault := check(row[column]):
            raise EthicsError(f"{place}, {column} {row[column][:SHOWN]!r}: {fault}.")
    return {column: row[column].strip() for column in checks} | {"place": place}
