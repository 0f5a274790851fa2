"""The changes that a running service has received: items put and removed, interactions, users to be forgotten."""

import json
from pathlib import Path
from typing import Any

import pandas as pd

from components.catalogue.tables import cast_columns

CHANGES_FOLDER = "live"
POSITION_FILE = "through.json"  # the change log and the number of the last change that is exported
CHANGES_FILES = ("items.jsonl", "removed.jsonl", "interactions.jsonl", "forgotten.jsonl")
Tables = dict[str, pd.DataFrame]


def apply_changes(tables: Tables, folder: Path) -> tuple[Tables, dict[str, Any] | None]:
    """Return the tables after all changes, and the position in the change log; without a position file, the tables only.

    Changes override the feed until their folder is removed.
    """
    # The writer renames the whole folder into place, so this file stands for all of them
    if not (folder / POSITION_FILE).is_file():
        return tables, None
    items, removed, interactions, forgotten = map(_read_lines, map(folder.joinpath, CHANGES_FILES))
    old_items, old_interactions = tables["items"], tables["interactions"]
    changed = pd.DataFrame([*items, *removed], columns=["item_id"])["item_id"]
    old_items = old_items[~old_items["item_id"].isin(changed)]
    forgotten_users = pd.DataFrame(forgotten, columns=["user_id"])["user_id"]
    old_interactions = old_interactions[~old_interactions["user_id"].isin(forgotten_users)]
    all_items = _append_rows("items", old_items, items)
    all_interactions = _append_rows("interactions", old_interactions, interactions)
    changed_tables = tables | {"items": all_items, "interactions": all_interactions}
    # An item that was removed takes along all that refers to it
    for name in ("interactions", "judgements", "videos"):
        table = changed_tables[name]
        known = table["item_id"].isin(all_items["item_id"])
        changed_tables[name] = table[known].reset_index(drop=True)
    position: dict[str, Any] = json.loads((folder / POSITION_FILE).read_text())
    return changed_tables, position


def _append_rows(name: str, old: pd.DataFrame, new: list[dict[str, Any]]) -> pd.DataFrame:
    return pd.concat([old, cast_columns(name, pd.DataFrame(new))], ignore_index=True)


def _read_lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines() if line]
