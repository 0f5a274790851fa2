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
from wishes import SEED, SHARES, CachedTexts, mean_with_interval

from components.core.ranking_metrics import ndcg, ranked_grades, recall
from components.enrichment.description import Answer
from components.search.bm25 import BM25Index, fuse_scores
from components.search.item_text import matched_texts
from components.text_model.evaluate import grade_matrix

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


def rank_items(items: pd.DataFrame, texts: list[str], encoder: CachedTexts) -> tuple[Scores, Scores]:
    """Return BM25 scores and cosines of items for queries, (q, i) each."""
    index = BM25Index.from_texts(matched_texts(items))
    words = np.stack([index.scores(text) for text in texts])
    return words, encoder.encode(texts) @ encoder.encode_items(items).T


def summarise(name: str, table: pd.DataFrame, before: pd.DataFrame | None) -> dict[str, Any]:
    """Return means with intervals, and the paired difference to the ranking without descriptions."""
    row: dict[str, Any] = {"ranking": name, "queries": len(table)}
    for metric in table:
        values = table[metric].to_numpy(float)
        row[str(metric)] = mean_with_interval(values)
        if before is not None:
            row[f"{metric}_gain"] = mean_with_interval(values - before[metric].to_numpy(float))
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
    judged = chorus.read_judged()
    texts, grades = grade_matrix(judged[judged["item_id"].isin(items["item_id"])], items["item_id"])
    encoder = CachedTexts(chosen.model)
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
