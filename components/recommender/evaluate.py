"""ELSA beside popularity on users that no training has seen: strong generalisation, as in Liang et al. (2018)."""

import json
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from components.catalogue.held_out import read_users
from components.catalogue.settings import DEFAULTS, CatalogueSettings
from components.core.ranking_metrics import bootstrap_interval
from components.core.stage import Counts, Input, Output, stage
from components.recommender.factors import ItemFactors
from components.recommender.interaction_matrix import (
    Csr,
    InteractionMatrix,
    hold_out,
    hold_out_last,
    read_interaction_matrix,
    rows_with_items,
)
from components.recommender.metrics import (
    coverage,
    factor_scorer,
    novelty,
    per_user,
    popularity_lift,
    popularity_scorer,
    rank,
)
from components.recommender.settings import RecommenderSettings

FIRST = 20
MODELS = {"": "ELSA and sparse part", "elsa_": "ELSA alone", "popularity_": "popularity"}


def summarise(
    values: dict[str, NDArray[np.float64]], prefix: str, settings: RecommenderSettings
) -> dict[str, float]:
    """Mean of each metric over users, with its 95 % interval."""
    summary: dict[str, float] = {}
    for name, per in values.items():
        low, high = (
            bootstrap_interval(per, settings.bootstrap_samples, settings.seed) if len(per) else (0.0, 0.0)
        )
        mean = float(per.mean()) if len(per) else 0.0
        summary |= {f"{prefix}{name}": mean, f"{prefix}{name}_low": low, f"{prefix}{name}_high": high}
    return {name: round(value, 6) for name, value in summary.items()}


def beyond_accuracy(factors: ItemFactors, history: Csr, batch_users: int) -> dict[str, float]:
    """Coverage, novelty and popularity lift of the first 20 items of each user."""
    ranked = rank(factors.predict, history, FIRST, batch_users)
    report = {
        "coverage": coverage(ranked, int((~factors.cold).sum())),
        "novelty_bits": novelty(ranked, factors.popularity),
        "popularity_lift": popularity_lift(ranked, history, factors.popularity),
    }
    return {name: round(value, 6) for name, value in report.items()}


def by_history(
    ndcg_100: NDArray[np.float64], history: Csr, settings: RecommenderSettings
) -> dict[str, float]:
    """NDCG@100 of the users whose history is no longer than the median, and of the others, with intervals."""
    lengths = np.diff(history.indptr)
    short = lengths <= np.median(lengths) if len(lengths) else np.zeros(0, bool)
    report: dict[str, float] = {}
    for name, chosen in (("short", short), ("long", ~short)):
        report[f"{name}_history_users"] = int(chosen.sum())
        report |= summarise({"ndcg_100": ndcg_100[chosen]}, f"{name}_history_", settings)
    return report


def test_table(
    users: NDArray[Any], item_ids: NDArray[Any], parts: tuple[Csr, Csr], ndcg_100: NDArray[np.float64]
) -> pd.DataFrame:
    """Users with the items they are known by, those to be predicted, and how well they were."""
    history, held_out = (
        [item_ids[row].tolist() for row in np.split(part.indices, part.indptr[1:-1])] if len(users) else []
        for part in parts
    )
    table = pd.DataFrame({"user_id": users, "history": history, "held_out": held_out, "ndcg_100": ndcg_100})
    return table.astype({"user_id": "str", "ndcg_100": "float64"}).round({"ndcg_100": 6})


def tested(
    interactions: InteractionMatrix, users: list[str], settings: RecommenderSettings
) -> tuple[NDArray[Any], Csr, Csr]:
    """Test users who have two items at least: ids, histories and held-out parts."""
    chosen = np.flatnonzero(np.isin(interactions.user_ids, np.asarray(users, dtype=object)))
    history, held_out = hold_out(interactions.matrix[chosen], settings.held_out_share, settings.seed)
    kept = np.flatnonzero(np.diff(held_out.indptr))
    return interactions.user_ids[chosen[kept]], history[kept], held_out[kept]


def last_out(
    factors: ItemFactors, interactions: InteractionMatrix, users: list[str], settings: RecommenderSettings
) -> dict[str, float]:
    """How well each test user's last item is found from those before it; nothing where no times are known."""
    matrix = interactions.matrix
    chosen = np.isin(interactions.user_ids, np.asarray(users, dtype=object))
    seconds = interactions.seconds[np.repeat(chosen, np.diff(matrix.indptr))]
    if not seconds.any():
        return {}
    history, held_out = rows_with_items(*hold_out_last(matrix[np.flatnonzero(chosen)], seconds))
    values = per_user(factors.predict, history, held_out, settings.dimensions)
    return summarise(values, "last_", settings)


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
    """Measure recall@20, recall@50 and NDCG@100 of what is published, of ELSA alone and of popularity.

    A held-out item that the training has never met counts as a miss.
    """
    interactions = read_interaction_matrix(catalogue, catalogue_settings.minimum_rating)
    users, history, held_out = tested(interactions, read_users(split, "test"), settings)
    factors = ItemFactors.load(elsa).over(interactions.item_ids)
    scores = {
        "": factors.predict,
        "elsa_": factor_scorer(factors.matrix),
        "popularity_": popularity_scorer(factors.popularity),
    }
    values = {name: per_user(score, history, held_out, settings.dimensions) for name, score in scores.items()}
    report: dict[str, float] = {"test_users": len(users)}
    for name, value in values.items():
        report |= summarise(value, name, settings)
    report |= by_history(values[""]["ndcg_100"], history, settings)
    report |= last_out(factors, interactions, read_users(split, "test"), settings)
    report |= beyond_accuracy(factors, history, settings.dimensions)
    test_table(users, interactions.item_ids, (history, held_out), values[""]["ndcg_100"]).to_parquet(
        test_users, index=False
    )
    metrics.write_text(json.dumps(report, indent=2) + "\n")
    models = [(MODELS[name], report[f"{name}ndcg_100"]) for name in scores]
    pd.DataFrame(models, columns=["model", "ndcg_100"]).to_csv(plot, index=False)
    return {name: report[name] for name in ("test_users", "ndcg_100", "popularity_ndcg_100")}


if __name__ == "__main__":
    main.cli()
