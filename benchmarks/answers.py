"""Record what a bundle answers to a file of queries, or compare two such records.

python benchmarks/answers.py record data/bundle answers.jsonl [--queries FILE.csv ...] [--judged 50]
python benchmarks/answers.py compare before.jsonl after.jsonl

A record has a line a query: the ids of the hits in order, filters, exclusions, corrections, prices and the note. Two
records of one catalogue are equal where a change of the code changed no answer; what differs is printed.
"""

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm import tqdm

from components.bundle.bundle import Bundle
from components.bundle.query import Query
from components.bundle.searcher import Searcher

HITS = 20
COMPARED = ("hits", "filters", "exclusions", "corrections", "price_min", "price_max", "note", "blocked")
MAX_SHOWN = 20


def read_queries(files: Iterable[Path], bundle: Path, judged: int) -> list[str]:
    """Texts of the files' column `query` or `text`, and of the bundle's judged queries, each once."""
    texts: list[str] = []
    for file in files:
        table = pd.read_csv(file)
        texts += table["query" if "query" in table else "text"].astype(str).tolist()
    asked = pd.read_parquet(bundle / "judged_queries.parquet")["text"].drop_duplicates()
    return list(dict.fromkeys([*texts, *asked.head(judged)]))


def record(bundle: Path, texts: Iterable[str], file: Path) -> None:
    """Answer each text, for nobody and for the user with the longest history, and write a line each."""
    loaded = Bundle.load(bundle)
    searcher, users = Searcher(loaded), [None, *loaded.histories.find_most_active(1)]
    with file.open("w", encoding="utf-8") as lines:
        for text in tqdm(list(texts), unit="query"):
            for user in users:
                answer = searcher.search(Query(text, user, k=HITS)).as_dict()
                kept = {name: answer[name] for name in COMPARED}
                kept["hits"] = [hit["item_id"] for hit in answer["hits"]]
                lines.write(json.dumps({"query": text, "user": user} | kept, ensure_ascii=False) + "\n")


def differences(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> Iterator[str]:
    """A line for each field of an answer that differs."""
    known = {(answer["query"], answer["user"]): answer for answer in after}
    for answer in before:
        other = known.get((answer["query"], answer["user"]))
        if other is None:
            yield f"{answer['query']!r}: not asked again"
            continue
        for name in COMPARED:
            if answer[name] != other[name]:
                yield f"{answer['query']!r}, {name}: {answer[name]} -> {other[name]}"


def compare(before: Path, after: Path) -> int:
    """Print what differs; returns how many fields do."""
    old, new = ([json.loads(line) for line in file.open(encoding="utf-8")] for file in (before, after))
    found = list(differences(old, new))
    for line in found[:MAX_SHOWN]:
        print(line)
    print(json.dumps({"answers": len(old), "differences": len(found)}))
    return len(found)


def main() -> None:
    """Record or compare."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    recording = commands.add_parser("record")
    recording.add_argument("bundle", type=Path)
    recording.add_argument("file", type=Path)
    recording.add_argument("--queries", type=Path, nargs="*", default=[])
    recording.add_argument(
        "--judged", type=int, default=50, help="judged queries of the bundle that are asked too"
    )
    comparing = commands.add_parser("compare")
    comparing.add_argument("before", type=Path)
    comparing.add_argument("after", type=Path)
    options = parser.parse_args()
    if options.command == "compare":
        sys.exit(compare(options.before, options.after) > 0)
    record(options.bundle, read_queries(options.queries, options.bundle, options.judged), options.file)


if __name__ == "__main__":
    main()
