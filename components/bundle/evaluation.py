"""Evaluate bundles on the same queries, users and sentences, example by example.

The metrics that stages report come from other data each night; one evaluation set compares two bundles fairly.
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
TOP_K, MAX_RECOMMENDED = 10, 100


@dataclass(frozen=True)
class EvaluationSet:
    """Judged queries, users with held-out items, banned and harmless texts.

    queries: query_id, text, item_id, grade. users: user_id, history, held_out.
    """

    queries: pd.DataFrame
    users: pd.DataFrame
    banned: list[str]
    harmless: list[str]

    @classmethod
    def from_bundle(cls, folder: Path, max_examples: int, seed: int) -> "EvaluationSet":
        """Draw test queries, test users, banned sentences, and harmless requests and titles from a bundle.

        max_examples: of each kind.
        """
        # one generator draws all four kinds, so their order is part of what the seed means
        draw = np.random.default_rng(seed)
        queries = pd.read_parquet(folder / "judged_queries.parquet")
        query_ids = draw.permutation(queries["query_id"].unique())[:max_examples]
        users = pd.read_parquet(folder / "test_users.parquet", columns=["user_id", "history", "held_out"])
        titles = pd.read_parquet(folder / "catalogue" / "items.parquet", columns=["title"])["title"]
        examples = pd.read_csv(folder / "ethics" / EXAMPLES)
        banned = examples.loc[examples["banned"], "text"]
        requests = examples.loc[~examples["banned"], "text"]
        return cls(
            queries[queries["query_id"].isin(query_ids)],
            users.iloc[np.sort(draw.permutation(len(users))[:max_examples])],
            banned=draw.permutation(banned.to_numpy())[:max_examples].tolist(),
            # titles too: an item whose own name is blocked cannot be found
            harmless=draw.permutation([*requests, *titles.unique()])[:max_examples].tolist(),
        )


def evaluate_bundle(bundle: Bundle, examples: EvaluationSet, name: str) -> Samples:
    """Return each metric by its name, one value an example; the progress lines show the bundle's name."""
    return {
        **_evaluate_queries(bundle, examples.queries, name),
        **_evaluate_users(bundle, examples.users, name),
        "ethics.recall": _judge_texts(bundle, examples.banned, f"{name}: banned"),
        "ethics.false_block_rate": _judge_texts(bundle, examples.harmless, f"{name}: harmless"),
    }


def graded_ndcg(found: Sequence[str], grades: Mapping[str, float], k: int) -> float:
    """Return the NDCG@k of found items, best first; 0 where nothing is relevant."""
    gains = np.array([grades.get(item, 0.0) for item in found[:k]])
    ideal = np.sort(np.array(list(grades.values()), float))[::-1][:k]
    return float(ndcg(gains, ideal))


def _evaluate_queries(bundle: Bundle, queries: pd.DataFrame, name: str) -> Samples:
    """Return NDCG@10 and CPU time of each query, and the index's recall of the exact nearest texts."""
    rows, searcher = {}, Searcher(bundle)
    groups = queries.groupby("query_id", sort=True)
    for query_id, judged in tqdm(groups, desc=f"{name}: queries", unit="query"):
        text = str(judged["text"].iloc[0])
        # CPU time, since other work on the machine would count as the bundle's
        started = time.process_time()
        hits = searcher.search(Query(text, k=TOP_K)).hits
        cpu_seconds = time.process_time() - started
        grades = dict(zip(judged["item_id"], judged["grade"].astype(float), strict=True))
        vector = bundle.encoder.encode([text])[0]
        rows[query_id] = {
            "search.hybrid_ndcg_10": graded_ndcg([hit.item_id for hit in hits], grades, TOP_K),
            "search.cpu_milliseconds": 1000 * cpu_seconds,
            "index.text_recall_10": measure_index_recall(bundle.text_index, vector, TOP_K),
        }
    return _split_metrics(rows)


def _evaluate_users(bundle: Bundle, users: pd.DataFrame, name: str) -> Samples:
    """Return NDCG@100 of each user's held-out items, and the index's recall of the exact nearest factors."""
    rows, ranker = {}, Searcher(bundle).ranker
    columns = zip(users["user_id"], users["history"], users["held_out"], strict=True)
    for user_id, history, held_out in tqdm(columns, total=len(users), desc=f"{name}: people"):
        known = bundle.items.find_rows(history)
        allowed = bundle.items.on_sale()
        allowed[known] = False
        ranking = ranker.by_history(known, np.ones(len(known), np.float32), allowed, MAX_RECOMMENDED)
        ids = list(map(bundle.items.id_of, ranking.rows[:MAX_RECOMMENDED].tolist()))
        embedding = unit_rows(bundle.factor_index.vectors_of(known).sum(axis=0))
        rows[user_id] = {
            "recommender.ndcg_100": graded_ndcg(ids, dict.fromkeys(held_out, 1.0), MAX_RECOMMENDED),
            "index.taste_recall_10": measure_index_recall(bundle.factor_index, embedding, TOP_K),
        }
    return _split_metrics(rows)


def _split_metrics(rows: Mapping[str, Mapping[str, float]]) -> Samples:
    frame = pd.DataFrame.from_dict(rows, orient="index", dtype=float)
    return {str(metric): frame[metric] for metric in frame}


def _judge_texts(bundle: Bundle, texts: Sequence[str], name: str) -> pd.Series:
    """Return whether the filter blocks each text, 1 or 0."""
    blocked = {}
    for text in tqdm(texts, desc=name):
        blocked[text] = bundle.ethics.judge_text(text, bundle.encoder).blocked
    return pd.Series(blocked, dtype=float)


def measure_index_recall(index: LiveIndex, vector: NDArray[np.float32], k: int) -> float:
    """Return the share of the k rows nearest to a vector (d,) that the index finds."""
    found, _ = index.search(vector, k)
    _, exact = index.base.search_exact(vector, k)
    # by score and not by row, so that rows of equal vectors count as each other
    return float((index.scores(found, vector) >= exact[-1] - 1e-6).mean()) if len(found) else 0.0
