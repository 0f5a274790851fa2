"""Evaluate the recommender on test users, beside ELSA alone and popularity.

The users are in no training: strong generalisation, as in Liang et al. (2018).
"""

import json
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from components.catalogue.held_out import read_users
from components.catalogue.settings import DEFAULTS, CatalogueSettings
from components.core.arrays import Csr
from components.core.ranking_metrics import bootstrap_interval
from components.core.stage import Counts, Input, Output, stage
from components.recommender.factors import ItemFactors
from components.recommender.interaction_matrix import (
    InteractionMatrix,
    hold_out,
    hold_out_last,
    read_interaction_matrix,
    rows_with_items,
)
from components.recommender.metrics import (
    coverage,
    evaluate_users,
    factor_scorer,
    novelty,
    popularity_lift,
    popularity_scorer,
    rank_items,
)
from components.recommender.settings import RecommenderSettings

TOP_K = 20
# by the prefix of their metrics; the published model has none
MODEL_NAMES = {"": "ELSA and sparse part", "elsa_": "ELSA alone", "popularity_": "popularity"}


def summarise_metrics(
    values: dict[str, NDArray[np.float64]], prefix: str, settings: RecommenderSettings
) -> dict[str, float]:
    """Return the mean of each metric over users, with its 95 % interval; zeros where there are no users."""
    summary: dict[str, float] = {}
    for name, of_users in values.items():
        mean, low, high = 0.0, 0.0, 0.0
        if len(of_users):
            low, high = bootstrap_interval(of_users, settings.bootstrap_samples, settings.seed)
            mean = float(of_users.mean())
        summary |= {
            f"{prefix}{name}": round(mean, 6),
            f"{prefix}{name}_low": round(low, 6),
            f"{prefix}{name}_high": round(high, 6),
        }
    return summary


def beyond_accuracy(factors: ItemFactors, history: Csr, batch_users: int) -> dict[str, float]:
    """Return coverage, novelty and popularity lift of the first 20 items of each user."""
    ranked = rank_items(factors.predict, history, TOP_K, batch_users)
    return {
        "coverage": round(coverage(ranked, int((~factors.cold).sum())), 6),
        "novelty_bits": round(novelty(ranked, factors.popularity), 6),
        "popularity_lift": round(popularity_lift(ranked, history, factors.popularity), 6),
    }


def compare_history_lengths(
    ndcg_100: NDArray[np.float64], history: Csr, settings: RecommenderSettings
) -> dict[str, float]:
    """Return NDCG@100 of the users whose history is no longer than the median, and of the others, with intervals."""
    # a mean over all users hides that a model fails those with few items
    lengths = np.diff(history.indptr)
    short = lengths <= np.median(lengths) if len(lengths) else np.zeros(0, bool)
    report: dict[str, float] = {}
    for name, chosen in (("short", short), ("long", ~short)):
        report[f"{name}_history_users"] = int(chosen.sum())
        report |= summarise_metrics({"ndcg_100": ndcg_100[chosen]}, f"{name}_history_", settings)
    return report


def tabulate_test_users(
    users: NDArray[Any], item_ids: NDArray[Any], parts: tuple[Csr, Csr], ndcg_100: NDArray[np.float64]
) -> pd.DataFrame:
    """Return a table of users with their history, their held-out items and their NDCG@100."""
    lists: list[list[list[str]]] = []
    for part in parts:
        # split makes one empty list out of no users
        rows = np.split(part.indices, part.indptr[1:-1]) if len(users) else []
        lists.append([item_ids[row].tolist() for row in rows])
    table = pd.DataFrame({"user_id": users, "history": lists[0], "held_out": lists[1], "ndcg_100": ndcg_100})
    return table.astype({"user_id": "str", "ndcg_100": "float64"}).round({"ndcg_100": 6})


def select_test_users(
    interactions: InteractionMatrix, users: list[str], settings: RecommenderSettings
) -> tuple[NDArray[Any], Csr, Csr]:
    """Return ids, histories and held-out items of the test users who have two items at least."""
    chosen = np.flatnonzero(np.isin(interactions.user_ids, np.asarray(users, dtype=object)))
    history, held_out = hold_out(interactions.matrix[chosen], settings.held_out_share, settings.seed)
    kept = np.flatnonzero(np.diff(held_out.indptr))
    return interactions.user_ids[chosen[kept]], history[kept], held_out[kept]


def evaluate_last_items(
    factors: ItemFactors, interactions: InteractionMatrix, users: list[str], settings: RecommenderSettings
) -> dict[str, float]:
    """Return the metrics of predicting each test user's last item from those before it.

    Returns nothing where no times are known: an order of equal times would be the catalogue's.
    """
    matrix = interactions.matrix
    chosen = np.isin(interactions.user_ids, np.asarray(users, dtype=object))
    seconds = interactions.seconds[np.repeat(chosen, np.diff(matrix.indptr))]
    if not seconds.any():
        return {}
    history, held_out = rows_with_items(*hold_out_last(matrix[np.flatnonzero(chosen)], seconds))
    values = evaluate_users(factors.predict, history, held_out, settings.dimensions)
    return summarise_metrics(values, "last_", settings)


@stage(RecommenderSettings)
def main(
    catalogue: Input,
    split: Input,
    elsa: Input,
    test_users: Output,
    metrics: Output,
    plot: Output,
    settings: RecommenderSettings,
    catalogue_settings: CatalogueSettings = DEFAULTS,
) -> Counts:
    """Measure recall@20, recall@50 and NDCG@100 of the published model, of ELSA alone and of popularity."""
    interactions = read_interaction_matrix(catalogue, catalogue_settings.minimum_rating)
    users, history, held_out = select_test_users(interactions, read_users(split, "test"), settings)
    # over all items of the catalogue, so that a held-out item without training counts as a miss
    factors = ItemFactors.load(elsa).align_to(interactions.item_ids)
    scores = {
        "": factors.predict,
        "elsa_": factor_scorer(factors.matrix),
        "popularity_": popularity_scorer(factors.popularity),
    }
    report: dict[str, float] = {"test_users": len(users)}
    values = {}
    for name, score in scores.items():
        values[name] = evaluate_users(score, history, held_out, settings.dimensions)
        report |= summarise_metrics(values[name], name, settings)
    ndcg_100 = values[""]["ndcg_100"]
    report |= compare_history_lengths(ndcg_100, history, settings)
    report |= evaluate_last_items(factors, interactions, read_users(split, "test"), settings)
    report |= beyond_accuracy(factors, history, settings.dimensions)
    table = tabulate_test_users(users, interactions.item_ids, (history, held_out), ndcg_100)
    table.to_parquet(test_users, index=False)
    metrics.write_text(json.dumps(report, indent=2) + "\n")
    models = pd.DataFrame(
        {"model": list(MODEL_NAMES.values()), "ndcg_100": [report[f"{name}ndcg_100"] for name in MODEL_NAMES]}
    )
    models.to_csv(plot, index=False)
    return {name: report[name] for name in ("test_users", "ndcg_100", "popularity_ndcg_100")}


if __name__ == "__main__":
    main.cli()
