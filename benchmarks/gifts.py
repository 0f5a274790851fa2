"""Gift queries on the made-up fashion shop: the share of the first ten that fit, with and without query understanding.

python benchmarks/gifts.py [--bundle data/bundle] [--json FILE], after `tandem demo fashion` or another run on that shop.

gifts.csv holds the queries and what fits each: values that an item must have, a price range, and a third of the prices
among the items that fit the rest. They were written before any answer was looked at. `without` takes every
understood filter and price away, as a person can on the page.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from components.bundle.answers import Query, search
from components.bundle.load import Bundle
from components.catalogue.tables import read_items

QUERIES = Path(__file__).with_name("gifts.csv")
VALUES = ("audience", "season", "occasion", "category", "colour", "material")
SHOWN = 10


def fitting(items: pd.DataFrame, rule: dict[str, str]) -> NDArray[np.bool_]:
    """Which items fit a rule (i,)."""
    has = [json.loads(attributes) for attributes in items["attributes"]]
    fits = np.ones(len(items), dtype=bool)
    for name in VALUES:
        if wanted := set(filter(None, rule[name].split("|"))):
            held = (
                items["category"].map(lambda value: [value])
                if name == "category"
                else [a.get(name, []) for a in has]
            )
            fits &= np.array([not wanted.isdisjoint(values) for values in held])
    price = items["price"].to_numpy(dtype=float)
    if rule["price_min"]:
        fits &= price >= float(rule["price_min"])
    if rule["price_max"]:
        fits &= price <= float(rule["price_max"])
    if rule["price_third"] == "lower":
        fits &= price <= np.quantile(price[fits], 1 / 3, method="inverted_cdf")
    if rule["price_third"] == "upper":
        fits &= price >= np.quantile(price[fits], 2 / 3, method="inverted_cdf")
    return fits


def share(bundle: Bundle, query: Query, fits: set[str]) -> float:
    """Share of what is shown first that fits; of as many as fit at all, where fewer do."""
    shown = [hit.item_id in fits for hit in search(bundle, query).hits]
    return sum(shown) / min(SHOWN, len(fits))


def main() -> None:
    """Ask and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path, default=Path("data/bundle"))
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    bundle, items = Bundle.load(given.bundle), read_items(given.bundle / "catalogue")
    rows = []
    for rule in pd.read_csv(QUERIES, dtype=str).fillna("").to_dict("records"):
        fits = set(items["item_id"][fitting(items, rule)])
        understood = search(bundle, Query(rule["query"], k=SHOWN)).understood
        plain = Query(rule["query"], k=SHOWN, ignore=(*understood, "price"))
        rows.append(
            {
                "query": rule["query"],
                "items_that_fit": len(fits),
                "with": round(share(bundle, Query(rule["query"], k=SHOWN), fits), 2),
                "without": round(share(bundle, plain, fits), 2),
                "understood": understood,
            }
        )
    mean = {kind: round(float(np.mean([row[kind] for row in rows])), 3) for kind in ("with", "without")}
    result = {"mean": mean, "text_model_dimensions": bundle.encoder.dimensions, "queries": rows}
    text = json.dumps(result, indent=1, ensure_ascii=False)
    print(text)
    if given.json:
        given.json.write_text(text + "\n")


if __name__ == "__main__":
    main()
