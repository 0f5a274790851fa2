"""The judged shop of Chorus as our tables: 19,406 products of Icecat, and what people said of 105 queries."""

import json
from collections import Counter
from pathlib import Path

import pandas as pd

from components.catalogue.tables import cast_columns

SHARED = Path(__file__).parents[1].parent / "shared" / "data" / "chorus"
LONGEST_VALUE = 80


def read_items() -> pd.DataFrame:
    """Products in order; attributes are the texts said of them, those that most products have first; prices in units."""
    products = pd.read_parquet(SHARED / "products.parquet")
    told = [_texts(json.loads(attributes)) for attributes in products["attributes"]]
    common = Counter(name for attributes in told for name in attributes)
    ordered = [
        json.dumps({name: [said[name]] for name in sorted(said, key=lambda name: (-common[name], name))})
        for said in told
    ]
    columns = {"id": "item_id", "short_description": "text", "supplier": "brand"}
    table = products.rename(columns=columns).assign(
        attributes=ordered, price=products["price"].where(products["price"] > 0) / 100, available=True
    )
    return cast_columns("items", table.assign(text=table["text"].fillna("")))


def _texts(attributes: dict[str, object]) -> dict[str, str]:
    return {
        name.removeprefix("attr_t_"): value
        for name, value in attributes.items()
        if name.startswith("attr_t_") and isinstance(value, str) and len(value) <= LONGEST_VALUE
    }


def read_ratings() -> pd.DataFrame:
    """What people said of items shown for a query, fitting (1 to 3) or not (0): query, item_id, rating."""
    return pd.read_csv(SHARED / "judgements.csv", dtype={"docid": str}).rename(columns={"docid": "item_id"})


def read_judged() -> pd.DataFrame:
    """Fitting judgements, one a row: query_id, text, item_id, grade."""
    judged = read_ratings().query("rating > 0").rename(columns={"query": "text", "rating": "grade"})
    return judged.assign(query_id=judged["text"])[["query_id", "text", "item_id", "grade"]].reset_index(
        drop=True
    )
