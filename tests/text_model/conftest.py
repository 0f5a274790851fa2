"""A small shop: 72 garments whose words are colours, kinds and people, with shoppers who keep to one kind."""

import json
from itertools import product
from pathlib import Path

import pandas as pd
import pytest

from components.catalogue.tables import cast_columns, write_table
from tests.descriptions import write_descriptions

COLOURS = ("red", "navy", "mint", "white", "mustard", "lilac")
KINDS = ("raincoat", "sandals", "jumper", "swimsuit")
PEOPLE = ("women", "men", "girls")


def garments() -> pd.DataFrame:
    rows = [
        {
            "item_id": f"g{number}",
            "title": f"{kind.capitalize()} {number} for {people}",
            "text": f"Made with care, model LM-{4000 + number}.",
            "category": kind,
            "brand": "Lumena" if number % 2 else "Norvik",
            "price": 10.0 + number,
            "currency": "EUR",
            "available": True,
            "attributes": json.dumps({"colour": [colour], "audience": [people], "season": ["all year"]}),
        }
        for number, (colour, kind, people) in enumerate(product(COLOURS, KINDS, PEOPLE))
    ]
    return cast_columns("items", pd.DataFrame(rows))


def shoppers(items: pd.DataFrame) -> pd.DataFrame:
    """Each of 24 shoppers buys six garments of one kind; the last of them is rated badly."""
    rows = []
    for user in range(24):
        of_kind = items[items["category"] == KINDS[user % 4]]["item_id"].tolist()
        chosen = of_kind[user % 6 :: 3][:6]
        rows += [(f"u{user}", item, place, 1.0, "purchase") for place, item in enumerate(chosen)]
        rows.append((f"u{user}", items["item_id"].iloc[user], 99, 1.0, "rating"))
    return cast_columns(
        "interactions", pd.DataFrame(rows, columns=["user_id", "item_id", "timestamp", "weight", "kind"])
    )


def judged(items: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A query for each colour and kind; garments of both fit best, of the kind alone a little."""
    queries, judgements = [], []
    for number, (colour, kind) in enumerate(product(COLOURS, KINDS)):
        queries.append((f"q{number}", f"{colour} {kind}", None))
        for item in items[items["category"] == kind].itertuples():
            both = json.loads(item.attributes)["colour"] == [colour]
            judgements.append((f"q{number}", item.item_id, 3 if both else 1))
    return (
        cast_columns("queries", pd.DataFrame(queries, columns=["query_id", "text", "user_id"])),
        cast_columns("judgements", pd.DataFrame(judgements, columns=["query_id", "item_id", "grade"])),
    )


def write_shop(folder: Path, with_judgements: bool) -> Path:
    """Catalogue and split of the shop: two thirds of the shoppers train."""
    items = garments()
    queries, judgements = judged(items)
    if not with_judgements:
        queries, judgements = queries.iloc[:0], judgements.iloc[:0]
    for name, table in {
        "items": items, "interactions": shoppers(items), "queries": queries, "judgements": judgements,
    }.items():  # fmt: skip
        write_table(name, table, folder / "catalogue")
    parts = ["train"] * 16 + ["validation"] * 4 + ["test"] * 4
    split = pd.DataFrame({"user_id": [f"u{user}" for user in range(24)], "part": parts})
    split.to_parquet(folder / "split.parquet")
    write_descriptions(folder / "descriptions.parquet", {})
    return folder


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_shop(tmp_path_factory.mktemp("shop"), with_judgements=True)


@pytest.fixture(scope="session")
def unjudged_shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_shop(tmp_path_factory.mktemp("unjudged"), with_judgements=False)
