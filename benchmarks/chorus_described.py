"""What descriptions by a language model add to people's queries over electronics: 2,000 products of Chorus.

python benchmarks/chorus_described.py --answers FILE.jsonl [--model data/packages/weights/all-mpnet-base-v2] [--json FILE]

FILE has an answer a line for each product that takes part, by conf/enrichment/electronics.yaml. It is not in the
repository, as the products' texts are not. Both rankings see the same products; queries are those with a fitting one
among them. The share of words in the hybrid is chosen by leaving one query out.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import chorus
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from components.core.ranking_metrics import bootstrap_interval, ndcg, ranked_grades, recall
from components.enrichment.description import Answer
from components.search.bm25 import BM25Index, fuse_scores
from components.search.item_text import item_texts, matched_texts
from components.text_model.encode import mix_wishes, read_wishes
from components.text_model.encoder import TextEncoder

SHARES, SEED, SAMPLES, WISHES_WEIGHT = np.linspace(0, 1, 11), 42, 2000, 0.5
Scores = NDArray[np.float32]


def read_items(answers: Path) -> pd.DataFrame:
    """Return the products that have an answer, with the column `description`."""
    described = {}
    for line in answers.open():
        answer = Answer.model_validate_json(line)
        described[answer.item_id] = answer.model_dump_json(exclude={"item_id", "known"})
    items = chorus.read_items()
    items = items[items["item_id"].isin(described.keys())].reset_index(drop=True)
    return items.assign(description=items["item_id"].map(described).astype(object))


def grade_matrix(items: pd.DataFrame) -> tuple[list[str], Scores]:
    """Return the queries that a product fits, and people's grades (q, i)."""
    judged = chorus.read_judged()
    judged = judged[judged["item_id"].isin(items["item_id"])]
    texts = judged["text"].drop_duplicates().tolist()
    grades = np.zeros((len(texts), len(items)), np.float32)
    rows, columns = (
        pd.Index(texts).get_indexer(judged["text"]),
        pd.Index(items["item_id"]).get_indexer(judged["item_id"]),
    )
    grades[rows, columns] = judged["grade"]
    return texts, grades


def measure(scores: Scores, grades: Scores) -> pd.DataFrame:
    """Return NDCG@10 and Recall@100 of each query."""
    return pd.DataFrame(
        {
            "ndcg_10": ndcg(ranked_grades(scores, grades, 10), ranked_grades(grades, grades, 10)),
            "recall_100": recall(ranked_grades(scores, grades, 100) > 0, (grades > 0).sum(axis=1)),
        }
    )


def measure_hybrid(words: Scores, cosines: Scores, grades: Scores) -> pd.DataFrame:
    """Measure the hybrid, each query at the share of words that is best for all others."""
    tried = [measure(fuse_scores(words, cosines, float(share)), grades) for share in SHARES]
    total = np.array([table["ndcg_10"].sum() for table in tried])
    rows = []
    for query in range(len(grades)):
        without = [sums - table["ndcg_10"].iloc[query] for sums, table in zip(total, tried, strict=True)]
        rows.append(tried[int(np.argmax(without))].iloc[query])
    return pd.DataFrame(rows).reset_index(drop=True)


def rank_items(items: pd.DataFrame, texts: list[str], encoder: TextEncoder) -> tuple[Scores, Scores]:
    """Return BM25 scores and cosines of items for queries, (q, i) each."""
    index = BM25Index.from_texts(matched_texts(items))
    words = np.stack([index.scores(text) for text in texts])
    wishes = [encoder.encode(own) if own else np.zeros((0, 1), np.float32) for own in read_wishes(items)]
    vectors = mix_wishes(encoder.encode(item_texts(items), progress=True), wishes, WISHES_WEIGHT)
    return words, encoder.encode(texts) @ vectors.T


def summarise(name: str, table: pd.DataFrame, before: pd.DataFrame | None) -> dict[str, Any]:
    """Return means with intervals, and the paired difference to the ranking without descriptions."""
    row: dict[str, Any] = {"ranking": name, "queries": len(table)}
    for metric in table:
        values = table[metric].to_numpy(float)
        row[str(metric)] = [
            round(float(values.mean()), 3),
            *(round(x, 3) for x in bootstrap_interval(values, SAMPLES, SEED)),
        ]
        if before is not None:
            gain = values - before[metric].to_numpy(float)
            low, high = bootstrap_interval(gain, SAMPLES, SEED)
            row[f"{metric}_gain"] = [round(float(gain.mean()), 3), round(low, 3), round(high, 3)]
    print(row, flush=True)
    return row


def main() -> None:
    """Print each ranking without and with descriptions."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--answers", type=Path, required=True)
    parser.add_argument("--model", type=Path, default=Path("data/packages/weights/all-mpnet-base-v2"))
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    items = read_items(chosen.answers)
    texts, grades = grade_matrix(items)
    encoder = TextEncoder.load(chosen.model)
    encoder.model.max_seq_length = 96
    rows, before = [], {}
    for name, known in (("own text", items.assign(description=None)), ("described", items)):
        words, cosines = rank_items(known, texts, encoder)
        tables = {
            "BM25": measure(words, grades),
            "vectors": measure(cosines, grades),
            "hybrid": measure_hybrid(words, cosines, grades),
        }
        for kind, table in tables.items():
            rows.append(summarise(f"{name}: {kind}", table, before.get(kind)))
        before = before or tables
    if chosen.json:
        chosen.json.write_text(
            json.dumps({"products": len(items), "seed": SEED, "rows": rows}, indent=1) + "\n"
        )


if __name__ == "__main__":
    main()
