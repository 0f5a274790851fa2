"""Queries of shoppers, read as somebody expects who had not seen the rules: prices, for whom, seasons, what is refused.

python benchmarks/understanding.py [--queries benchmarks/understanding_more.csv] [--json FILE]: how many queries of
understanding.csv, or of another file, by somebody else, are read as expected in the made-up fashion shop, its prices
taken for dollars, and what was expected and read of the others. Of what is refused only whether something is left out
counts.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
from gifts import read_shop

from components.query_model.parser import QueryMeaning, parse_text
from components.query_model.query_words import list_query_words
from components.query_model.vocabulary import Vocabulary
from components.search.bm25 import BM25Index
from components.search.item_text import contains_phrase, matched_texts
from components.search.spelling import SpellingCorrector, correct_spelling

QUERIES = Path(__file__).with_suffix(".csv")
Read = dict[str, Any]


def expected(row: dict[str, Any], sold: set[str]) -> Read:
    """What somebody expects of a query; of what is refused, whether any of it is sold."""
    said = {name: sorted(row[name].split("|")) if row[name] else [] for name in ("departments", "seasons")}
    prices = [float(row[name]) if row[name] else None for name in ("price_min", "price_max")]
    refused = any(
        word and contains_phrase(value, word) for word in row["refused"].split("|") for value in sold
    )
    return {"prices": prices, **said, "refused": refused}


def read(meant: QueryMeaning) -> Read:
    """The same of what was understood."""
    return {
        "prices": [meant.price_min, meant.price_max],
        "departments": meant.filters.get("audience", []),
        "seasons": meant.filters.get("season", []),
        "refused": bool(meant.exclusions),
    }


def main() -> None:
    """Read the queries and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--queries", type=Path, default=QUERIES)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    items = read_shop()
    vocabulary = replace(Vocabulary.from_items(items), currency="USD")
    texts = matched_texts(items)
    lexical, spelling = BM25Index.from_texts(texts), SpellingCorrector.from_texts(texts, list_query_words())
    sold = {value for values in vocabulary.values.values() for value in values}
    others, total = [], 0
    rows = pd.read_csv(given.queries, dtype=str, keep_default_na=False).to_dict("records")
    right = dict.fromkeys(("prices", "departments", "seasons", "refused"), 0)
    for row in rows:
        query = str(row["query"])
        corrected = correct_spelling(query, spelling.find_corrections(query, lexical))
        meant = parse_text(corrected, vocabulary)
        wanted, found = expected(row, sold), read(meant)
        same = {name: wanted[name] == found[name] for name in right}
        total += all(same.values())
        for name in right:
            right[name] += same[name]
        if not all(same.values()):
            told = {name: {"expected": wanted[name], "read": found[name]} for name in right if not same[name]}
            others.append({"query": query, **told})
    text = json.dumps({"queries": len(rows), "as_expected": total, **right, "others": others}, indent=1)
    print(text)
    if given.json:
        given.json.write_text(text + "\n")


if __name__ == "__main__":
    main()
