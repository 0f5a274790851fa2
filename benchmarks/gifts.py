"""Gift queries on the made-up fashion shop: the share of the first ten that fit, with and without query understanding.

python benchmarks/gifts.py [--queries benchmarks/gifts_more.csv] [--model data/packages/weights/all-mpnet-base-v2] [--json FILE]

gifts.csv, gifts_more.csv and gifts_third.csv hold the queries and what fits each: values that an item must have, a
price range, and a third of the prices among the items that fit the rest. They were written before any answer was looked
at. Both answers rank by words and vectors alone, with the same share of words; nobody's taste and no popularity is in
them. A query that nothing fits is not counted.
"""

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from components.bundle.stores.item_store import ItemStore
from components.catalogue import ingest
from components.catalogue.settings import CatalogueSettings
from components.catalogue.tables import read_items
from components.query_model.parser import QueryMeaning, limit_to_third, parse_text
from components.query_model.query_words import list_query_words
from components.query_model.vocabulary import Vocabulary
from components.search.bm25 import BM25Index, fuse_scores
from components.search.item_text import item_texts, matched_texts
from components.search.spelling import SpellingCorrector, correct_spelling
from components.text_model.encoder import TextEncoder

QUERIES = Path(__file__).with_name("gifts.csv")
VALUES = ("audience", "season", "occasion", "category", "colour", "material")
SHOWN = 10
WORDS = 0.6


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
    if not fits.any():
        return fits
    if rule["price_third"] == "lower":
        fits &= price <= np.quantile(price[fits], 1 / 3, method="inverted_cdf")
    if rule["price_third"] == "upper":
        fits &= price >= np.quantile(price[fits], 2 / 3, method="inverted_cdf")
    return fits


def share(fits: NDArray[np.bool_], shown: NDArray[np.int64]) -> float:
    """Share of what is shown that fits; of as many as fit at all where those are fewer than ten."""
    return round(float(fits[shown].sum()) / max(1, min(SHOWN, int(fits.sum()))), 2)


class Search:
    """The shop, ready to be asked."""

    def __init__(self, items: pd.DataFrame, encoder: TextEncoder) -> None:
        self.items, self.encoder = items, encoder
        self.shelf, self.vocabulary = ItemStore.from_items(items), Vocabulary.from_items(items)
        texts = matched_texts(items)
        self.lexical = BM25Index.from_texts(texts)
        self.spelling = SpellingCorrector.from_texts(texts, list_query_words())
        self.vectors = encoder.encode(item_texts(items))

    def first(self, meant: QueryMeaning) -> NDArray[np.int64]:
        """Rows of the first ten for what was understood."""
        on_sale = self.shelf.on_sale(meant.price_min, meant.price_max)
        for name, values in meant.exclusions.items():
            on_sale &= self.shelf.without_values(name, values)
        allowed, _ = self.shelf.apply_filters(on_sale, meant.filters)
        similarities = self.vectors @ self.encoder.encode([meant.text])[0]
        scores = fuse_scores(self.lexical.scores(meant.text), similarities, WORDS)
        rows = np.argsort(-scores, kind="stable")
        rows = rows[allowed[rows]]
        meant = limit_to_third(meant, self.shelf.price[rows])
        return rows[self.shelf.on_sale(meant.price_min, meant.price_max)[rows]][:SHOWN]


def read_shop() -> pd.DataFrame:
    """The items of examples/fashion as the catalogue's stage reads them."""
    none = Path("none")
    with tempfile.TemporaryDirectory() as folder:
        catalogue, metrics = Path(folder) / "catalogue", Path(folder) / "catalogue.json"
        shop = Path(__file__).parents[1] / "examples" / "fashion"
        ingest.main(
            none,
            none,
            shop,
            none,
            catalogue,
            metrics,
            settings=CatalogueSettings(source="fashion", folder=""),
        )
        return read_items(catalogue)


def main() -> None:
    """Ask and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--queries", type=Path, default=QUERIES)
    parser.add_argument("--model", type=Path, default=Path("data/packages/weights/all-mpnet-base-v2"))
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    items = read_shop()
    search = Search(items, TextEncoder.load(given.model))
    rows = []
    for rule in pd.read_csv(given.queries, dtype=str).fillna("").to_dict("records"):
        fits = fitting(items, rule)
        spelt = search.spelling.find_corrections(rule["query"], search.lexical)
        meant = parse_text(correct_spelling(rule["query"], spelt), search.vocabulary)
        shown = {"with": meant, "without": QueryMeaning(rule["query"])}
        rows.append(
            {
                "query": rule["query"],
                "items_that_fit": int(fits.sum()),
                **{kind: share(fits, search.first(what)) for kind, what in shown.items()},
                "understood": {name: value for name, value in vars(meant).items() if value},
            }
        )
    asked = [row for row in rows if row["items_that_fit"]]
    mean = {kind: round(float(np.mean([row[kind] for row in asked])), 3) for kind in ("with", "without")}
    text = json.dumps(
        {"mean": mean, "counted": len(asked), "share_of_words": WORDS, "queries": rows},
        indent=1,
        ensure_ascii=False,
    )
    print(text)
    if given.json:
        given.json.write_text(text + "\n")


if __name__ == "__main__":
    main()
