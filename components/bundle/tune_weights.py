"""Choose the weights of the user embedding and of popularity beside the text score, on validation users.

Every other user searches for a kind: a value that a held-out item has ("comedy", "linen"). All held-out items with the value
are relevant. The text finds items with the value; user embedding and popularity have to rank the relevant ones first. The
other users search for a held-out item by its title, which the weights must not push down.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, product
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tqdm import tqdm

from components.bundle.settings import BundleSettings
from components.catalogue.held_out import read_users
from components.catalogue.settings import DEFAULTS, CatalogueSettings
from components.core.arrays import Csr
from components.core.linear_algebra import unit_rows
from components.core.ranking_metrics import bootstrap_interval, ndcg
from components.core.stage import Counts, Input, Output, stage
from components.enrichment.enriched_items import read_enriched_items
from components.recommender.factors import ItemFactors
from components.recommender.interaction_matrix import hold_out, read_interaction_matrix, rows_with_items
from components.search.bm25 import BM25Index, fuse_scores
from components.search.item_text import matched_texts, read_attributes
from components.text_model.encoder import TextEncoder

Scores = NDArray[np.float32]
HIDDEN_SHARE = 0.3  # of each user's items
TOP_K = 10


@dataclass(frozen=True)
class ValidationQuery:
    """A user's query with the scores of every item, and which items are new to the user and which are relevant, (i,)."""

    text_scores: Scores
    user_scores: Scores
    is_new: NDArray[np.bool_]
    is_relevant: NDArray[np.bool_]


def draw_queries(items: pd.DataFrame, held_out: Csr, seed: int) -> list[tuple[str, NDArray[np.int64]]]:
    """Draw a query for each user (u, i): its text, and the held-out items that are relevant."""
    draw = np.random.default_rng(seed)
    queries = []
    for row in range(held_out.shape[0]):
        hidden = held_out.indices[held_out.indptr[row] : held_out.indptr[row + 1]]
        values_by_item = {int(item): _collect_values(items.iloc[item]) for item in hidden}
        values = sorted(set().union(*values_by_item.values()))
        if row % 2 or not values:
            item = hidden[int(draw.integers(0, len(hidden)))]
            queries.append((str(items["title"].iloc[item]), np.array([item])))
        else:
            value = values[int(draw.integers(0, len(values)))]
            relevant = [item for item, own in values_by_item.items() if value in own]
            queries.append((value.lower(), np.array(relevant)))
    return queries


def _collect_values(item: "pd.Series[Any]") -> set[str]:
    return set(chain.from_iterable(read_attributes(item.to_dict()).values()))


@dataclass(frozen=True)
class WeightedScorer:
    """Scores every item for users' queries; vectors: of the items' texts, (i, d)."""

    items: pd.DataFrame
    factors: ItemFactors
    vectors: Scores
    encoder: TextEncoder
    bm25: BM25Index
    bm25_weight: float

    def score_queries(self, users: Csr, settings: BundleSettings, part: str) -> list[ValidationQuery]:
        """Draw a query for each user (u, i) who has two items at least, and score it; part: shown on the progress line."""
        # the scores of every item are kept for each user, so the number of users is bounded
        users = users[: settings.validation_users]
        history, held_out = rows_with_items(*hold_out(users, HIDDEN_SHARE, settings.seed))
        queries = draw_queries(self.items, held_out, settings.seed)
        text_vectors = self.encoder.encode([text for text, _ in queries])
        scored = []
        for row, (text, relevant) in enumerate(tqdm(queries, desc=part)):
            known = history[[row]]
            is_new, is_relevant = np.ones(len(self.items), bool), np.zeros(len(self.items), bool)
            is_new[known.indices], is_relevant[relevant] = False, True
            cosines = self.vectors @ text_vectors[row]
            text_scores = fuse_scores(self.bm25.scores(text), cosines, self.bm25_weight).astype(np.float32)
            # the embedding of the shown history alone: the held-out items would give the answer away
            user_scores = self.factors.matrix @ unit_rows(known @ self.factors.matrix)[0]
            scored.append(ValidationQuery(text_scores, user_scores, is_new=is_new, is_relevant=is_relevant))
        return scored


def evaluate_weights(
    queries: Sequence[ValidationQuery], popularity: Scores, taste_weight: float, popularity_weight: float
) -> list[float]:
    """Return the NDCG@10 of each query by the weighted scores."""
    found = []
    for query in queries:
        scores = query.text_scores + taste_weight * query.user_scores + popularity_weight * popularity
        scores = np.where(query.is_new, scores, -np.inf)
        near = np.argpartition(-scores, min(TOP_K, len(scores) - 1))[:TOP_K]
        ranked = near[np.lexsort((near, -scores[near]))]
        ideal = np.ones(min(TOP_K, int(query.is_relevant.sum())))
        found.append(float(ndcg(query.is_relevant[ranked].astype(float), ideal)))
    return found


def choose_weights(
    queries: Sequence[ValidationQuery], popularity: Scores, settings: BundleSettings
) -> tuple[float, float]:
    """Return the pair of weights of best mean NDCG@10, the smallest of equal ones, and without queries the smallest."""
    pairs = sorted(product(settings.taste_weights, settings.popularity_weights))
    if not queries:
        return pairs[0]
    # rounded, so that the last bits of a sum do not choose larger weights
    return max(pairs, key=lambda pair: round(float(np.mean(evaluate_weights(queries, popularity, *pair))), 9))


def summarise_ndcg(name: str, values: list[float], settings: BundleSettings) -> dict[str, float]:
    """Return the mean NDCG@10 and its 95 % interval, by the names of the report."""
    ndcg_10 = np.array(values)
    low, high = bootstrap_interval(ndcg_10, settings.bootstrap_samples, settings.seed)
    return {
        f"{name}_ndcg_10": round(float(ndcg_10.mean()), 6),
        f"{name}_ndcg_10_low": round(low, 6),
        f"{name}_ndcg_10_high": round(high, 6),
    }


@stage(BundleSettings)
def main(
    catalogue: Input,
    descriptions: Input,
    split: Input,
    model: Input,
    item_vectors: Input,
    item_factors: Input,
    search: Input,
    weights: Output,
    settings: BundleSettings,
    catalogue_settings: CatalogueSettings = DEFAULTS,
) -> Counts:
    """Choose the weights on validation users, and measure them on test users beside the text score alone."""
    items = read_enriched_items(catalogue, descriptions)
    factors = ItemFactors.load(item_factors)
    popularity = factors.relative_popularity
    matrix = read_interaction_matrix(catalogue, catalogue_settings.minimum_rating)
    scorer = WeightedScorer(
        items,
        factors,
        vectors=np.load(item_vectors),
        encoder=TextEncoder.load(model),
        bm25=BM25Index.from_texts(matched_texts(items)),
        bm25_weight=float(json.loads(search.read_text())["hybrid_weight"]),
    )
    queries = {}
    for part in ("validation", "test"):
        users = matrix.select_users(read_users(split, part))
        queries[part] = scorer.score_queries(users, settings, part)
    chosen = choose_weights(queries["validation"], popularity, settings)
    report: dict[str, float] = {
        "taste_weight": chosen[0],
        "popularity_weight": chosen[1],
        "test_queries": len(queries["test"]),
    }
    if queries["test"]:
        for name, pair in (("language", (0.0, 0.0)), ("fused", chosen)):
            report |= summarise_ndcg(name, evaluate_weights(queries["test"], popularity, *pair), settings)
    weights.write_text(json.dumps(report, indent=2) + "\n")
    return report


if __name__ == "__main__":
    main.cli()
