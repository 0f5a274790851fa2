"""The items of a catalogue with their descriptions, as the stages after the enrichment read them."""

from pathlib import Path

import pandas as pd

from components.catalogue.tables import read_items


def read_enriched_items(catalogue: Path, descriptions: Path) -> pd.DataFrame:
    """Read the items with the column `description`, JSON as `encode_description` writes it; None where there is none."""
    items = read_items(catalogue)
    table = pd.read_parquet(descriptions, columns=["item_id", "description"])
    found = dict(zip(table["item_id"], table["description"], strict=True))
    # As objects, because a column of texts would hold NaN where there is none
    column = pd.Series([found.get(item_id) for item_id in items["item_id"]], index=items.index, dtype=object)
    return items.assign(description=column)
