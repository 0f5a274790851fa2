"""Descriptions as the stage `enrich` writes them, for tests of the stages that read them."""

from pathlib import Path
from typing import Any

import pandas as pd

from components.enrichment.description import Description, MatchedField
from components.enrichment.enrich import COLUMNS
from components.enrichment.indexed_description import encode_description

WEIGHTS: dict[MatchedField, int] = {"summary": 1, "keywords": 1, "wishes": 1}


def write_descriptions(file: Path, fields: dict[str, dict[str, Any]]) -> Path:
    """Write a description of each item by its id; a field that is not given is empty."""
    rows = []
    for item_id, given in fields.items():
        source = {"model": "a language model", "date": "2026-12-01"}
        item = {"item_id": item_id, "title": item_id}
        text = encode_description(Description(known=True, **given), item, WEIGHTS, source)
        rows.append((item_id, text, *source.values()))
    file.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows, columns=COLUMNS).astype("str").to_parquet(file, index=False)
    return file
