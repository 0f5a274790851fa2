"""What a service was told since its catalogue was read: items put and removed, interactions, people to be forgotten."""

import json
from pathlib import Path
from typing import Any

import pandas as pd

from components.catalogue.tables import typed

FOLDER = "live"
THROUGH = "through.json"
FILES = ("items.jsonl", "removed.jsonl", "interactions.jsonl", "forgotten.jsonl")
Tables = dict[str, pd.DataFrame]


def with_told(tables: Tables, folder: Path) -> tuple[Tables, dict[str, Any] | None]:
    """The tables as they are after all of it, and through which change of which log; as they were without such a folder.

    What was told last counts: it comes after what the feed says, until the folder is removed.
    """
    if not (folder / THROUGH).is_file():
        return tables, None
    items, removed, interactions, forgotten = (_read(folder / name) for name in FILES)
    changed = {line["item_id"] for line in [*items, *removed]}
    kept = tables["items"][~tables["items"]["item_id"].isin(changed)]
    all_items = pd.concat([kept, typed("items", pd.DataFrame(items))], ignore_index=True)
    strangers = {line["user_id"] for line in forgotten}
    known = tables["interactions"][~tables["interactions"]["user_id"].isin(strangers)]
    all_acts = pd.concat([known, typed("interactions", pd.DataFrame(interactions))], ignore_index=True)
    of_items = {
        "interactions": all_acts,
        "judgements": tables["judgements"],
        "videos": tables["videos"],
    }
    there = set(all_items["item_id"])
    still = {
        name: table[table["item_id"].isin(there)].reset_index(drop=True) for name, table in of_items.items()
    }
    through: dict[str, Any] = json.loads((folder / THROUGH).read_text())
    return tables | {"items": all_items} | still, through


def _read(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines() if line]
