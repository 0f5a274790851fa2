"""The sentence lists that staff edit: banned ones with their category, and benign ones with their kind."""

import csv
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import pandas as pd

from components.ethics.settings import EthicsError
from components.search.item_text import lowercase_text

CATEGORIES = {
    "explosives", "weapons", "violence", "self-harm", "sexual content", "minors", "hate", "drugs", "fraud",
    "malware", "stalking", "poisons", "extremism", "theft", "harassment", "trafficking", "disinformation",
}  # fmt: skip
NATURAL_KINDS = ("short", "long", "persona", "talk")  # of requests as people write them
SHARP = "sharp"  # the kind of natural requests that were written to sound harmful
LOOK_ALIKE = "look-alike"  # the kind of a sentence that only looks harmful
CONTROL_CHARACTER = re.compile(r"[\x00-\x1f\x7f�]")
MAX_SHOWN = 200  # characters of a value in a message
Check = Callable[[str], str | None]


@dataclass(frozen=True)
class SentenceLists:
    """The banned sentences (sentence, category, severity, language, source, place) and the benign ones, each once.

    benign: sentence, kind, language, place; the kind is one of NATURAL_KINDS, SHARP or LOOK_ALIKE. repeated: the number
    of rows that were dropped because an earlier one has the same sentence.
    """

    banned: pd.DataFrame
    benign: pd.DataFrame
    repeated: int


def read_lists(banned: Path, benign: Path) -> SentenceLists:
    """Read the lists in both folders.

    Raises EthicsError that names the file, row and field of a value that cannot be used, or both places of a sentence
    that is banned and benign.
    """
    banned_rows, benign_rows = _read_folder(banned, BANNED_CHECKS), _read_folder(benign, BENIGN_CHECKS)
    # Compared as the filter reads them, so that capitals and spaces hide no contradiction
    banned_texts = banned_rows["sentence"].map(lowercase_text)
    benign_texts = benign_rows["sentence"].map(lowercase_text)
    banned_places = dict(zip(banned_texts, banned_rows["place"], strict=True))
    for sentence, place in zip(benign_texts, benign_rows["place"], strict=True):
        if sentence in banned_places:
            raise EthicsError(
                f"{place}: {sentence!r} is banned too, in {banned_places[sentence]}. Delete it from one of them."
            )
    banned_once = banned_rows[~banned_texts.duplicated()].reset_index(drop=True)
    benign_once = benign_rows[~benign_texts.duplicated()].reset_index(drop=True)
    repeated = len(banned_rows) + len(benign_rows) - len(banned_once) - len(benign_once)
    return SentenceLists(banned_once, benign_once, repeated)


def _check_sentence(value: str) -> str | None:
    if not value.strip():
        return "it is empty; write a sentence, or delete the line"
    if CONTROL_CHARACTER.search(value):
        return "it holds a control or broken character; type it again"
    return None


def _check_category(value: str) -> str | None:
    if value in CATEGORIES:
        return None
    near = get_close_matches(value, CATEGORIES, n=1)
    return (
        f"unknown; did you mean {near[0]}?"
        if near
        else f"unknown; use one of {', '.join(sorted(CATEGORIES))}"
    )


def _check_severity(value: str) -> str | None:
    return None if value in {"1", "2", "3"} else "use 1, 2 or 3"


def _check_language(value: str) -> str | None:
    return None if re.fullmatch("[a-z]{2}", value) else "use two letters, such as en"


def _check_kind(value: str) -> str | None:
    kinds = (*NATURAL_KINDS, SHARP, LOOK_ALIKE)
    return None if value in kinds else f"use one of {', '.join(kinds)}"


BANNED_CHECKS: dict[str, Check] = {
    "sentence": _check_sentence,
    "category": _check_category,
    "severity": _check_severity,
    "language": _check_language,
    "source": lambda value: None,
}
BENIGN_CHECKS: dict[str, Check] = {
    "sentence": _check_sentence, "kind": _check_kind, "language": _check_language,
}  # fmt: skip
DEFAULTS = {"kind": LOOK_ALIKE, "language": "en"}  # of columns that a file of benign sentences may leave out


def _read_folder(folder: Path, checks: dict[str, Check]) -> pd.DataFrame:
    """Return all files of a folder as one table, with the `place` of each sentence."""
    files = sorted(folder.glob("*.csv"))  # sorted: file systems differ in their order
    if not files:
        raise EthicsError(f"{folder} holds no CSV file. Restore it with: git checkout {folder}")
    rows: list[dict[str, str]] = []
    for file in files:
        rows.extend(_read_rows(file, checks))
    if not rows:
        raise EthicsError(f"{folder} holds no sentence. Restore it with: git checkout {folder}")
    return pd.DataFrame(rows, columns=[*checks, "place"])


def _read_rows(file: Path, checks: dict[str, Check]) -> Iterator[dict[str, str]]:
    # The csv module and not pandas, which does not tell the line where a row begins
    with file.open(encoding="utf-8-sig", newline="") as stream:
        reader = csv.reader(stream, strict=True)
        row = 1
        try:
            heading = next(reader, [])
            optional = DEFAULTS if checks is BENIGN_CHECKS else {}
            for column in checks:
                times = heading.count(column)
                if times > 1 or (times == 0 and column not in optional):
                    raise EthicsError(
                        f"{file} has {times or 'no'} columns named {column}. "
                        f"Its heading is {','.join(heading)!r}; write {','.join(checks)}."
                    )
            row = reader.line_num + 1  # a quoted sentence may take several lines; an error names its first
            for values in reader:
                yield _check_row(values, heading, place=f"{file}, row {row}", checks=checks)
                row = reader.line_num + 1
        except UnicodeDecodeError:
            raise EthicsError(f"{file} is not UTF-8. Save it as UTF-8.") from None
        except csv.Error as error:
            raise EthicsError(
                f"{file}, row {row}: {error}. Close the quotes; a quote inside a sentence is written twice."
            ) from None


def _check_row(values: list[str], heading: list[str], place: str, checks: dict[str, Check]) -> dict[str, str]:
    if values and len(values) != len(heading):
        raise EthicsError(f"{place}: too many or too few fields. Quote a sentence that holds a comma.")
    # The csv module gives no values for an empty line
    row = DEFAULTS | dict(zip(heading, values or [""] * len(heading), strict=True))
    for column, check in checks.items():
        if problem := check(row[column]):
            raise EthicsError(f"{place}, {column} {row[column][:MAX_SHOWN]!r}: {problem}.")
    return {column: row[column].strip() for column in checks} | {"place": place}
