"""Measure how well BM25, SBERT and their hybrid find what people asked for, on queries never trained on."""

import json

import numpy as np
import pandas as pd

from components.catalogue.held_out import hash_share
from components.catalogue.tables import read_judgements, read_queries
from components.core.ranking_metrics import Floats, mean_ndcg, mean_recall, mean_reciprocal_rank
from components.core.stage import Counts, Input, Output, stage
from components.enrichment.enriched_items import read_enriched_items
from components.search.bm25 import BM25Index, fuse_scores
from components.search.item_text import matched_texts
from components.search.spelling import SpellingCorrector, correct_spelling
from components.text_model.encoder import TextEncoder
from components.text_model.error_report import worst_queries
from components.text_model.settings import TextModelError, TextModelSettings
from components.text_model.training_pairs import assign_part, held_out_wishes

COLUMNS = ["query_id", "text", "item_id", "grade", "part", "kind"]
TEST_SHARE = 0.5  # of the held-out wishes; the others choose the hybrid's weight


def judged_queries(queries: pd.DataFrame, judgements: pd.DataFrame, held_out_share: float) -> pd.DataFrame:
    """Return people's judgements of fitting items, one a row, with the part of their query."""
    judged = judgements[judgements["grade"] > 0].merge(queries[["query_id", "text"]], on="query_id")
    parts = judged["text"].map(lambda text: assign_part(text, held_out_share))
    return judged.assign(part=parts, kind="judged")[COLUMNS]


def known_item_queries(pairs: pd.DataFrame) -> pd.DataFrame:
    """Return titles as queries for the items that have them, grade 1, with their part."""
    titles = pairs[pairs["kind"] == "title"]
    return pd.DataFrame(
        {
            "query_id": titles["anchor"],
            "text": titles["anchor"],
            "item_id": titles["item_id"],
            "grade": 1,
            "part": titles["part"],
            "kind": "title",
        }
    )


def wish_queries(items: pd.DataFrame) -> pd.DataFrame:
    """Return the held-out wishes as queries for the items that they were written for, grade 1; half of them for a test."""
    wishes = held_out_wishes(items)
    is_test = wishes["text"].map(hash_share).astype(float) < TEST_SHARE
    parts = np.where(is_test, "test", "validation")
    return wishes.assign(query_id=wishes["text"], grade=1, part=parts, kind="wish")[COLUMNS]


def collect_queries(judged: pd.DataFrame, pairs: pd.DataFrame, items: pd.DataFrame) -> pd.DataFrame:
    """Return the queries that people judged; without any, titles and held-out wishes, for the items that have them."""
    if not judged.empty:
        return judged
    return pd.concat([known_item_queries(pairs), wish_queries(items)], ignore_index=True)


def sample_queries(queries: pd.DataFrame, part: str, max_queries: int, seed: int) -> pd.DataFrame:
    """Draw at most `max_queries` queries of a part, as many of each kind, each with all of its judgements."""
    within, drawn = queries[queries["part"] == part], list[str]()
    for _, group in within.groupby("kind", sort=True):
        # Sorted before they are drawn, so that the order of the table does not matter
        ids = np.sort(group["query_id"].unique().astype(str))
        share = max(1, max_queries // within["kind"].nunique())
        drawn += np.random.default_rng(seed).permutation(ids)[:share].tolist()
    return within[within["query_id"].isin(drawn)]


def grade_matrix(queries: pd.DataFrame, item_ids: pd.Series) -> tuple[list[str], Floats]:
    """Return the texts of the queries and their grades (q, i), 0 where nobody judged."""
    texts = queries.drop_duplicates("query_id").set_index("query_id")["text"]
    rows = texts.index.get_indexer(queries["query_id"])
    columns = pd.Index(item_ids).get_indexer(queries["item_id"])
    sold = columns >= 0  # -1 is a judged item that the catalogue does not have
    grades = np.zeros((len(texts), len(item_ids)), dtype=np.float32)
    grades[rows[sold], columns[sold]] = queries["grade"].to_numpy()[sold]
    return list(texts), grades


def choose_weight(lexical: Floats, similarities: Floats, grades: Floats, steps: int) -> float:
    """Return BM25's share in the hybrid with the best NDCG@10; the smallest of equal ones."""
    weights = np.linspace(0, 1, steps + 1)
    scored = [mean_ndcg(fuse_scores(lexical, similarities, float(weight)), grades, 10) for weight in weights]
    # Rounded, because sums in another order differ in the last bits and would pick among equal weights by chance
    return round(float(weights[int(np.argmax(np.round(scored, 9)))]), 6)


def measure_ranking(name: str, scores: Floats, grades: Floats) -> dict[str, float]:
    """Return the three metrics of one ranking."""
    return {
        f"{name}_ndcg_10": round(mean_ndcg(scores, grades, 10), 6),
        f"{name}_recall_100": round(mean_recall(scores, grades, 100), 6),
        f"{name}_mrr_10": round(mean_reciprocal_rank(scores, grades, 10), 6),
    }


class QueryScorer:
    """Scores the items for queries by BM25 and by vectors.

    vectors: of the items, (i, d).
    """

    def __init__(self, items: pd.DataFrame, encoder: TextEncoder, vectors: Floats) -> None:
        texts = matched_texts(items)
        self.item_ids, self.encoder, self.vectors = items["item_id"], encoder, vectors
        self.lexical, self.spelling = BM25Index.from_texts(texts), SpellingCorrector.from_texts(texts)

    def score_queries(self, queries: pd.DataFrame) -> tuple[Floats, Floats, Floats]:
        """Return lexical scores, cosines and grades of queries, each (q, i)."""
        asked, grades = grade_matrix(queries, self.item_ids)
        # Corrected as the service corrects them: a typing error a query cost the vectors half of their NDCG
        texts = [correct_spelling(text, self.spelling.find_corrections(text, self.lexical)) for text in asked]
        similarities = self.encoder.encode(texts, progress=True) @ self.vectors.T
        return np.stack(list(map(self.lexical.scores, texts))), similarities, grades


@stage(TextModelSettings, tracked=True)
def main(
    catalogue: Input,
    descriptions: Input,
    pairs: Input,
    model: Input,
    item_vectors: Input,
    queries: Output,
    metrics: Output,
    report: Output,
    settings: TextModelSettings,
) -> Counts:
    """Choose the hybrid's weight on validation queries, measure on test queries, and write the worst of them."""
    import mlflow

    items = read_enriched_items(catalogue, descriptions)
    judged = judged_queries(read_queries(catalogue), read_judgements(catalogue), settings.held_out_share)
    asked = collect_queries(judged, pd.read_parquet(pairs), items=items)
    validation = sample_queries(asked, "validation", settings.validation_queries, settings.seed)
    test = sample_queries(asked, "test", settings.test_queries, settings.seed)
    if validation.empty or test.empty:
        raise TextModelError(
            f"{catalogue}: {asked['query_id'].nunique()} queries leave none for validation or test. "
            "Add queries with judgements (without any, items), or raise held_out_share in conf/text_model.yaml."
        )
    scorer = QueryScorer(items, TextEncoder.load(model), np.load(item_vectors, allow_pickle=False))
    weight = choose_weight(*scorer.score_queries(validation), settings.hybrid_steps)
    words, similarities, grades = scorer.score_queries(test)
    mixed = fuse_scores(words, similarities, weight)
    figures = measure_ranking("bm25", words, grades) | measure_ranking("sbert", similarities, grades)
    figures |= measure_ranking("hybrid", mixed, grades)
    kinds = test.drop_duplicates("query_id")["kind"].to_numpy()
    for kind in sorted(set(kinds)):
        figures |= measure_ranking(f"{kind}_hybrid", mixed[kinds == kind], grades[kinds == kind])
    figures |= {
        "hybrid_weight": weight,
        "test_queries": len(grades),
        "judged_by_people": int(not judged.empty),
    }
    test[["query_id", "text", "item_id", "grade"]].to_parquet(queries, index=False)
    metrics.write_text(json.dumps(figures, indent=2) + "\n")
    texts, titles = test.drop_duplicates("query_id")["text"].tolist(), items["title"].tolist()
    page = worst_queries(texts, titles, ranked=mixed, words=words, similarities=similarities, grades=grades)
    report.write_text(page, encoding="utf-8")
    mlflow.log_text(page, "worst_queries.html")
    return figures


if __name__ == "__main__":
    main.cli()
