"""Content precision: how well BM25, SBERT and their hybrid find what people asked for, on queries never trained on."""

import json

import numpy as np
import pandas as pd

from components.catalogue.tables import read_items, read_judgements, read_queries
from components.core.ranking_metrics import Floats, mean_ndcg, mean_recall, mean_reciprocal_rank
from components.core.stage import Counts, Input, Output, stage
from components.search.bm25 import BM25Index, hybrid
from components.search.item_text import matched_texts
from components.search.spelling import SpellingCorrector, correct_spelling
from components.text_model.encoder import TextEncoder
from components.text_model.error_report import worst_queries
from components.text_model.settings import TextModelError, TextModelSettings
from components.text_model.training_pairs import part_of


def judged_queries(queries: pd.DataFrame, judgements: pd.DataFrame, held_out_share: float) -> pd.DataFrame:
    """Fitting judgements by people, one a row, with the part of their query."""
    judged = judgements[judgements["grade"] > 0].merge(queries[["query_id", "text"]], on="query_id")
    parts = [part_of(text, held_out_share) for text in judged["text"]]
    return judged.assign(part=parts)[["query_id", "text", "item_id", "grade", "part"]]


def known_item_queries(pairs: pd.DataFrame) -> pd.DataFrame:
    """Titles as queries for the items that have them, grade 1, with their part."""
    asked = pairs[pairs["kind"] == "title"]
    return pd.DataFrame(
        {
            "query_id": asked["anchor"],
            "text": asked["anchor"],
            "item_id": asked["item_id"],
            "grade": 1,
            "part": asked["part"],
        }
    )


def choose(queries: pd.DataFrame, part: str, most: int, seed: int) -> pd.DataFrame:
    """At most `most` whole queries of a part, drawn with the seed."""
    within = queries[queries["part"] == part]
    ids = np.sort(within["query_id"].unique().astype(str))
    kept = np.random.default_rng(seed).permutation(ids)[:most]
    return within[within["query_id"].isin(kept)]


def grade_matrix(queries: pd.DataFrame, item_ids: pd.Series) -> tuple[list[str], Floats]:
    """Texts of the queries and their grades, (q, i), 0 where nobody judged."""
    row_of = {item: row for row, item in enumerate(item_ids)}
    texts = queries.drop_duplicates("query_id").set_index("query_id")["text"]
    place = {query: row for row, query in enumerate(texts.index)}
    grades = np.zeros((len(texts), len(item_ids)), dtype=np.float32)
    for query, item, grade in zip(queries["query_id"], queries["item_id"], queries["grade"], strict=True):
        if item in row_of:
            grades[place[query], row_of[item]] = grade
    return list(texts), grades


def choose_weight(lexical: Floats, similarities: Floats, grades: Floats, steps: int) -> float:
    """BM25's share in the hybrid with the best NDCG@10; the smallest of equal ones."""
    weights = np.linspace(0, 1, steps + 1)
    scored = [mean_ndcg(hybrid(lexical, similarities, float(weight)), grades, 10) for weight in weights]
    return round(float(weights[int(np.argmax(np.round(scored, 9)))]), 6)


def measure(name: str, scores: Floats, grades: Floats) -> dict[str, float]:
    """The three measures of one ranking."""
    figures = {
        "ndcg_10": mean_ndcg(scores, grades, 10),
        "recall_100": mean_recall(scores, grades, 100),
        "mrr_10": mean_reciprocal_rank(scores, grades, 10),
    }
    return {f"{name}_{figure}": round(value, 6) for figure, value in figures.items()}


@stage(TextModelSettings, tracked=True)
def main(
    catalogue: Input,
    pairs: Input,
    model: Input,
    item_vectors: Input,
    queries: Output,
    metrics: Output,
    report: Output,
    settings: TextModelSettings,
) -> Counts:
    """Measure on test queries with a hybrid weight chosen on validation queries; write them, figures and the worst."""
    import mlflow

    items = read_items(catalogue)
    judged = judged_queries(read_queries(catalogue), read_judgements(catalogue), settings.held_out_share)
    made_up = judged.empty
    asked = known_item_queries(pd.read_parquet(pairs)) if made_up else judged
    validation = choose(asked, "validation", settings.validation_queries, settings.seed)
    test = choose(asked, "test", settings.test_queries, settings.seed)
    if validation.empty or test.empty:
        raise TextModelError(
            f"{catalogue}: {asked['query_id'].nunique()} queries leave none for validation or test. "
            "Add queries with judgements (without any, items), or raise held_out_share in conf/text_model.yaml."
        )
    encoder = TextEncoder.load(model)
    item_words = matched_texts(items)
    lexical = BM25Index.build(item_words)
    spelling = SpellingCorrector.from_texts(item_words)
    vectors = np.load(item_vectors, allow_pickle=False)

    def score(part: pd.DataFrame) -> tuple[Floats, Floats, Floats]:
        asked, grades = grade_matrix(part, items["item_id"])
        texts = [correct_spelling(text, spelling.corrections(text, lexical)) for text in asked]
        return (
            np.stack([lexical.scores(text) for text in texts]),
            encoder.encode(texts, progress=True) @ vectors.T,
            grades,
        )

    weight = choose_weight(*score(validation), settings.hybrid_steps)
    words, similarities, grades = score(test)
    mixed = hybrid(words, similarities, weight)
    figures: dict[str, float] = {
        **measure("bm25", words, grades),
        **measure("sbert", similarities, grades),
        **measure("hybrid", mixed, grades),
        "hybrid_weight": weight,
        "test_queries": len(grades),
        "judged_by_people": int(not made_up),
    }
    test[["query_id", "text", "item_id", "grade"]].to_parquet(queries, index=False)
    metrics.write_text(json.dumps(figures, indent=2) + "\n")
    texts = test.drop_duplicates("query_id")["text"].tolist()
    page = worst_queries(texts, items["title"].tolist(), mixed, words, similarities, grades)
    report.write_text(page, encoding="utf-8")
    mlflow.log_text(page, "worst_queries.html")
    return figures


if __name__ == "__main__":
    main.cli()
