"""What the descriptions of a language model add to search: wishes of strangers, with and without each part of them.

python benchmarks/wishes.py [--data films] [--models data/packages/weights/all-mpnet-base-v2 data/text_model/model] [--json FILE]

--data films: wishes_validation.csv and wishes_test.csv, each by two authors who saw titles, years and genres alone. The
first choose the share of words in each hybrid (and chose the weights of the fields), the second report. redial: turns of
talk about films (../shared/data/queries), the films recommended next. goodbooks: books_wishes.csv over 10,000 books.
Success@10: some accepted item is among the first ten; recall@10: the share of the accepted ones that are. Intervals are
bootstrapped over wishes. The last rows ask the published bundle, with all that it does beside ranking by text.
"""

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from components.bundle.bundle import Bundle
from components.bundle.query import Query
from components.bundle.searcher import Searcher
from components.core.ranking_metrics import bootstrap_interval
from components.enrichment.description import Description
from components.enrichment.enriched_items import read_enriched_items
from components.enrichment.indexed_description import join_fields
from components.enrichment.prompt import Prompt
from components.search.bm25 import BM25Index, fuse_scores
from components.search.item_text import item_texts, matched_texts, read_description
from components.text_model.encode import mix_wishes, read_wishes
from components.text_model.encoder import TextEncoder

HERE = Path(__file__).parent
SHARED = HERE.parents[1] / "shared" / "data"
WISHES_WEIGHT, SHARES = 0.5, np.linspace(0, 1, 11)
SEED, SAMPLES, MAX_TOKENS = 42, 2000, 96
NONE = Description(known=True).model_dump()
PARTS: dict[str, Callable[[dict[str, Any]], dict[str, Any] | None]] = {
    "own text": lambda _: None,
    "+ summary": lambda given: NONE | {"summary": given["summary"]},
    "+ keywords and themes": lambda given: (
        NONE | {name: given[name] for name in ("summary", "keywords", "themes")}
    ),
    "+ all fields": lambda given: given | {"wishes": []},
    "+ wishes": lambda given: given,
}
Scores = NDArray[np.float32]


@dataclass(frozen=True)
class Wishes:
    """Wishes with the rows of the items that they accept, their kinds, and which of them choose."""

    texts: list[str]
    accepted: list[list[int]]
    kinds: list[str]
    chooses: NDArray[np.bool_]


def read_wishes_of(data: str, items: pd.DataFrame) -> Wishes:
    """Read the wishes of a set; accepted items that the catalogue lacks are left out."""
    rows = dict(zip(items["item_id"], range(len(items)), strict=True))
    if data == "redial":
        turns = []
        for line in (SHARED / "queries/redial_ml100k_dev.jsonl").open():
            turn = json.loads(line)
            targets = "|".join(item_id for item_id, _ in turn["target"])
            turns.append({"text": " ".join(turn["context"]), "accepted": targets, "kind": "turn"})
        table = pd.DataFrame(turns)
        # Nothing is chosen on them but the share of words, by every other turn
        return _make_wishes(table, rows, chooses=np.arange(len(table)) % 2 == 0)
    if data == "goodbooks":
        table = pd.read_csv(HERE / "books_wishes.csv", dtype=str)
        return _make_wishes(table, rows, chooses=np.arange(len(table)) % 2 == 0)
    tables = [pd.read_csv(HERE / f"wishes_{part}.csv", dtype=str) for part in ("validation", "test")]
    chooses = np.repeat([True, False], list(map(len, tables)))
    return _make_wishes(pd.concat(tables, ignore_index=True), rows, chooses)


def _make_wishes(table: pd.DataFrame, rows: dict[str, int], chooses: NDArray[np.bool_]) -> Wishes:
    accepted = [[rows[item] for item in ids.split("|") if item in rows] for ids in table["accepted"]]
    return Wishes(table["text"].tolist(), accepted, table["kind"].tolist(), chooses)


def read_books() -> pd.DataFrame:
    """Return the goodbooks as items, with the description of Llama 3.1 as the summary."""
    books = pd.read_parquet(SHARED / "goodbooks" / "books.parquet")
    items = pd.DataFrame(
        {
            "item_id": books["book_id"].astype(str),
            "title": books["title"],
            "text": "",
            "category": None,
            "brand": None,
            "year": pd.array(books["original_publication_year"].round(), dtype="Int64"),
            "attributes": [json.dumps({"author": names.split(", ")}) for names in books["authors"]],
        }
    )
    summaries = books["llama31_description"]
    described = [
        json.dumps(NONE | {"summary": text}) if isinstance(text, str) else None for text in summaries
    ]
    return items.assign(description=pd.Series(described, dtype=object))


def with_parts(
    items: pd.DataFrame, part: Callable[[dict[str, Any]], dict[str, Any] | None], weights: dict[Any, int]
) -> pd.DataFrame:
    """Return items with a part of their descriptions, whose fields count in words by their weights."""
    texts: list[str | None] = []
    for item in items.to_dict("records"):
        given = read_description(item)
        kept = part(given) if given else None
        if kept is not None:
            kept = kept | {"matched": join_fields(kept | {"title": item["title"]}, weights)}
        texts.append(None if kept is None else json.dumps(kept))
    return items.assign(description=pd.Series(texts, dtype=object))


class CachedTexts:
    """A model that encodes each text once."""

    def __init__(self, folder: Path) -> None:
        self.encoder = TextEncoder.load(folder)
        self.encoder.model.max_seq_length = MAX_TOKENS
        self.known: dict[str, Scores] = {}

    def encode(self, texts: list[str]) -> Scores:
        """Return unit rows (n, d)."""
        missing = sorted({text for text in texts if text not in self.known}, key=len)
        if missing:
            self.known.update(zip(missing, self.encoder.encode(missing, progress=True), strict=True))
        return np.stack([self.known[text] for text in texts]) if texts else np.zeros((0, 1), np.float32)

    def encode_items(self, items: pd.DataFrame) -> Scores:
        """Return the vectors of items (i, d), with their wishes mixed in as the stage `encode` does."""
        wishes = read_wishes(items)
        self.encode([*chain.from_iterable(wishes)])  # all at once: by fives it would take far longer
        return mix_wishes(
            self.encode(item_texts(items)),
            [self.encode(own) if own else np.zeros((0, 1), np.float32) for own in wishes],
            WISHES_WEIGHT,
        )


def first_ten(scores: Scores) -> list[list[int]]:
    """Return the ten best rows of each wish, from scores (q, i)."""
    return np.argsort(-scores, axis=1, kind="stable")[:, :10].tolist()


def score_wishes(found: list[list[int]], wishes: Wishes) -> pd.DataFrame:
    """Return success and recall of each wish."""
    rows = []
    for shown, accepted in zip(found, wishes.accepted, strict=True):
        hits = len(set(shown) & set(accepted))
        rows.append((float(hits > 0), hits / max(1, len(accepted))))
    return pd.DataFrame(rows, columns=["success", "recall"]).assign(kind=wishes.kinds, chooses=wishes.chooses)


def mean_with_interval(values: NDArray[Any]) -> list[float]:
    """Return the mean of values and its 95 % interval."""
    return [round(float(figure), 3) for figure in (values.mean(), *bootstrap_interval(values, SAMPLES, SEED))]


def summarise(name: str, scored: pd.DataFrame) -> dict[str, Any]:
    """Return the means over the wishes that report, with intervals, and by kind."""
    reports = scored[~scored["chooses"]]
    row: dict[str, Any] = {"ranking": name, "wishes": len(reports)}
    for measure in ("success", "recall"):
        row[measure] = mean_with_interval(reports[measure].to_numpy())
    by_kind = reports.groupby("kind")[["success", "recall"]].mean().round(3)
    return row | {"kinds": by_kind.to_dict("index")}


def choose_share(words: Scores, cosines: Scores, wishes: Wishes) -> float:
    """Return the share of words with the best mean recall on the wishes that choose."""
    means = []
    for share in SHARES:
        scored = score_wishes(first_ten(fuse_scores(words, cosines, float(share))), wishes)
        means.append(scored.loc[scored["chooses"], "recall"].mean())
    return round(float(SHARES[int(np.argmax(means))]), 2)


def compare_parts(
    items: pd.DataFrame, wishes: Wishes, models: list[Path], weights: dict[Any, int]
) -> list[dict[str, Any]]:
    """Rank by words, by vectors of each model and by both, with more and more of the descriptions."""
    rows, encoders = [], [CachedTexts(folder) for folder in models]
    queries = [encoder.encode(wishes.texts) for encoder in encoders]
    for name, part in PARTS.items():
        known = with_parts(items, part, weights)
        index = BM25Index.from_texts(matched_texts(known))
        words = np.stack([index.scores(text) for text in wishes.texts])
        rows.append(summarise(f"{name}: BM25", score_wishes(first_ten(words), wishes)))
        for folder, encoder, asked in zip(models, encoders, queries, strict=True):
            cosines = asked @ encoder.encode_items(known).T
            rows.append(
                summarise(f"{name}: vectors of {folder.name}", score_wishes(first_ten(cosines), wishes))
            )
            share = choose_share(words, cosines, wishes)
            mixed = score_wishes(first_ten(fuse_scores(words, cosines, share)), wishes)
            rows.append(summarise(f"{name}: hybrid, {folder.name}", mixed) | {"share_of_words": share})
        for row in rows[-1 - 2 * len(models) :]:
            print_row(row)
    return rows


def ask_bundle(folder: Path, wishes: Wishes, items: pd.DataFrame) -> dict[str, Any]:
    """Ask the published bundle, as the service does."""
    searcher = Searcher(Bundle.load(folder))
    row_of = dict(zip(items["item_id"], range(len(items)), strict=True))
    found = []
    for text in wishes.texts:
        found.append([row_of[hit.item_id] for hit in searcher.search(Query(text, k=10)).hits])
    row = summarise("the published bundle", score_wishes(found, wishes))
    print_row(row)
    return row


def recall_of_turns(folder: Path, wishes: Wishes, items: pd.DataFrame) -> dict[str, Any]:
    """Return R@10, R@20 and R@50 of the published bundle on all turns."""
    searcher = Searcher(Bundle.load(folder))
    found = []
    for text in wishes.texts:
        found.append([hit.item_id for hit in searcher.search(Query(text, k=50)).hits])
    row: dict[str, Any] = {"ranking": "the published bundle, all turns", "wishes": len(found)}
    for k in (10, 20, 50):
        shares = []
        for shown, accepted in zip(found, wishes.accepted, strict=True):
            targets = set(items["item_id"].iloc[accepted])
            shares.append(len(targets.intersection(shown[:k])) / max(1, len(targets)))
        row[f"recall_{k}"] = mean_with_interval(np.array(shares))
    print(row)
    return row


def print_row(row: dict[str, Any]) -> None:
    """Print the figures of a ranking on one line."""
    figures = [
        f"{name} {row[name][0]:.3f} [{row[name][1]:.3f}, {row[name][2]:.3f}]"
        for name in ("success", "recall")
    ]
    kinds = ", ".join(f"{kind} {of['success']:.2f}/{of['recall']:.2f}" for kind, of in row["kinds"].items())
    print(f"{row['ranking']:48} {'  '.join(figures)}  {kinds}", flush=True)


def main() -> None:
    """Print a row for each ranking, and write them as JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", choices=("films", "redial", "goodbooks"), default="films")
    parser.add_argument("--models", type=Path, nargs="+", default=[Path("data/text_model/model")])
    parser.add_argument("--bundle", type=Path, default=Path("data/bundle"))
    parser.add_argument("--quick", action="store_true", help="ask the bundle alone")
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    items = (
        read_books()
        if chosen.data == "goodbooks"
        else read_enriched_items(Path("data/catalogue"), Path("data/enrichment/descriptions.parquet"))
    )
    wishes = read_wishes_of(chosen.data, items)
    kind = "books" if chosen.data == "goodbooks" else "films"
    weights = Prompt.read(Path("conf/enrichment"), kind).field_weights
    rows = [] if chosen.quick else compare_parts(items, wishes, chosen.models, dict(weights))
    if chosen.data == "films":
        rows.append(ask_bundle(chosen.bundle, wishes, items))
    if chosen.data == "redial":
        rows.append(recall_of_turns(chosen.bundle, wishes, items))
    if chosen.json:
        chosen.json.write_text(json.dumps({"data": chosen.data, "seed": SEED, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
