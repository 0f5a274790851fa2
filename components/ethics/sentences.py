"""The lists that staff edit: banned sentences with their category, and benign ones that only look alike."""

from pathlib import Path

import pandas as pd

from components.ethics.settings import EthicsError

CATEGORIES = {
    "explosives", "weapons", "violence", "self-harm", "sexual content", "minors", "hate", "drugs", "fraud",
    "malware", "stalking", "poisons",
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
    files = sorted(folder.glob("*.csv"))
    if not files:
        raise EthicsError(f"{folder} holds no CSV file. Restore it with: git checkout {folder}")
    tables = []
    for file in files:
        table = pd.read_csv(file, dtype=str, keep_default_na=False, skip_blank_lines=False)
        missing = [column for column in columns if column not in table]
        if missing:
            raise EthicsError(
                f"{file} has no column {missing[0]}. It has {', '.join(table.columns)}; add it."
            )
        table["place"] = [f"{file}, row {row + 2}" for row in range(len(table))]
        empty = table[table["sentence"].str.strip() == ""]
        if len(empty):
            raise EthicsError(
                f"{empty['place'].iloc[0]}: the sentence is empty. Write one, or delete the line."
            )
        tables.append(table)
    return pd.concat(tables, ignore_index=True).drop_duplicates("sentence").reset_index(drop=True)
