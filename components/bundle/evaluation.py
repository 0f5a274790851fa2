"""Examine bundles: what each answers to the same queries, people and sentences, example by example.

Figures that stages report are of that night's data; two bundles are compared fairly by answering the same examination.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tqdm import tqdm

from components.bundle.bundle import Bundle
from components.bundle.query import Query
from components.bundle.searcher import Searcher
from components.core.linear_algebra import unit_rows
from components.core.ranking_metrics import ndcg
from components.ethics.filter import EXAMPLES
from components.index.live_index import LiveIndex

Samples = dict[str, pd.Series]
FIRST, RECOMMENDED = 10, 100


@dataclass(frozen=True)
class EvaluationSet:
    """What bundles are asked: judged queries, people with a hidden part of their history, banned and harmless texts.

    queries: query_id, text, item_id, grade. people: user_id, history, held_out.
    """

    queries: pd.DataFrame
    people: pd.DataFrame
    banned: list[str]
    harmless: list[str]

    @classmethod
    def of(cls, folder: Path, most: int, seed: int) -> "EvaluationSet":
        """The test queries and test people of a bundle, its banned sentences, and harmless requests and titles.

        most: of each kind, at most.
        """
        draw = np.random.default_rng(seed)
        queries = pd.read_parquet(folder / "judged_queries.parquet")
        chosen = draw.permutation(queries["query_id"].unique())[:most]
        people = pd.read_parquet(folder / "test_users.parquet", columns=["user_id", "history", "held_out"])
        titles = pd.read_parquet(folder / "catalogue" / "items.parquet", columns=["title"])["title"]
        examples = pd.read_csv(folder / "ethics" / EXAMPLES)
        banned, asked = (examples.loc[examples["banned"] == kind, "text"] for kind in (True, False))
        return cls(
            queries[queries["query_id"].isin(chosen)],
            people.iloc[np.sort(draw.permutation(len(people))[:most])],
            draw.permutation(banned.to_numpy())[:most].tolist(),
            draw.permutation([*asked, *titles.unique()])[:most].tolist(),
        )


def evaluate_bundle(bundle: Bundle, exam: EvaluationSet, name: str) -> Samples:
    """A figure of each example, by the name of its metric; the name is shown while it lasts."""
    return {
        **_queries(bundle, exam.queries, name),
        **_people(bundle, exam.people, name),
        "ethics.recall": _blocked(bundle, exam.banned, f"{name}: banned"),
        "ethics.false_block_rate": _blocked(bundle, exam.harmless, f"{name}: harmless"),
    }


def graded_ndcg(found: Sequence[str], grades: Mapping[str, float], k: int) -> float:
    """NDCG@k of items found, best first; 0 where nothing is relevant."""
    gains = np.array([grades.get(item, 0.0) for item in found[:k]])
    ideal = np.sort(np.array(list(grades.values()), float))[::-1][:k]
    return float(ndcg(gains, ideal))


def _queries(bundle: Bundle, queries: pd.DataFrame, name: str) -> Samples:
    """How well each query is answered, at what cost, and how much of the exact nearest the index finds."""
    rows, searcher = {}, Searcher(bundle)
    asked = queries.groupby("query_id", sort=True)
    for query_id, judged in tqdm(asked, desc=f"{name}: queries", unit="query"):
        text = str(judged["text"].iloc[0])
        began = time.process_time()
        hits = searcher.search(Query(text, k=FIRST)).hits
        spent = time.process_time() - began
        grades = dict(zip(judged["item_id"], judged["grade"].astype(float), strict=True))
        vector = bundle.encoder.encode([text])[0]
        rows[query_id] = {
            "search.hybrid_ndcg_10": graded_ndcg([hit.item_id for hit in hits], grades, FIRST),
            "search.cpu_milliseconds": 1000 * spent,
            "index.text_recall_10": recall_of_index(bundle.text_index, vector, FIRST),
        }
    return _by_metric(rows)


def _people(bundle: Bundle, people: pd.DataFrame, name: str) -> Samples:
    """How well what is recommended to each person, known by a history, meets what was hidden."""
    rows, ranker = {}, Searcher(bundle).ranker
    columns = (people[column] for column in ("user_id", "history", "held_out"))
    for user, history, hidden in tqdm(zip(*columns, strict=True), total=len(people), desc=f"{name}: people"):
        found = [bundle.items.row_of(item) for item in history]
        known = np.array([row for row in found if row is not None], np.int64)
        allowed = bundle.items.on_sale()
        allowed[known] = False
        ranking = ranker.by_history(known, np.ones(len(known), np.float32), allowed, RECOMMENDED)
        ids = [bundle.items.id_of(row) for row in ranking.rows[:RECOMMENDED].tolist()]
        taste = unit_rows(bundle.factor_index.vectors_of(known).sum(axis=0))
        rows[user] = {
            "recommender.ndcg_100": graded_ndcg(ids, dict.fromkeys(hidden, 1.0), RECOMMENDED),
            "index.taste_recall_10": recall_of_index(bundle.factor_index, taste, FIRST),
        }
    return _by_metric(rows)


def _by_metric(rows: Mapping[str, Mapping[str, float]]) -> Samples:
    frame = pd.DataFrame.from_dict(rows, orient="index", dtype=float)
    return {str(metric): frame[metric] for metric in frame}


def _blocked(bundle: Bundle, texts: Sequence[str], name: str) -> pd.Series:
    """Whether the filter blocks each text, 1 or 0."""
    blocked = {
        text: bundle.ethics.verdict_on(text, bundle.encoder).blocked for text in tqdm(texts, desc=name)
    }
    return pd.Series(blocked, dtype=float)


def recall_of_index(segment: LiveIndex, vector: NDArray[np.float32], k: int) -> float:
    """Share of the k rows nearest to a vector (d,) that the index finds."""
    found, _ = segment.search(vector, k)
    _, exact = segment.base.exact(vector, k)
    return float((segment.scores(found, vector) >= exact[-1] - 1e-6).mean()) if len(found) else 0.0
