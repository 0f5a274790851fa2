"""Factors of items that nobody has met yet: a ridge regression from text and film vectors to ELSA's factors."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from components.catalogue.held_out import COLD_SHARE, hidden_items, read_users
from components.catalogue.settings import DEFAULTS, CatalogueSettings
from components.catalogue.tables import read_items
from components.core.compute import LAPTOP, ComputeSettings
from components.core.linear_algebra import principal_directions, unit_rows
from components.core.stage import Counts, Input, Output, stage
from components.recommender.content_regression import ContentRegression
from components.recommender.factors import ItemFactors
from components.recommender.interaction_matrix import (
    Csr,
    Floats,
    hold_out,
    read_interaction_matrix,
    rows_with_items,
)
from components.recommender.metrics import Score, factor_scorer, mean_ndcg_100, per_user, popularity_scorer
from components.recommender.settings import RecommenderError, RecommenderSettings
from components.recommender.train import fit


def film_features(films: Path, item_ids: NDArray[np.object_], warm: NDArray[np.bool_]) -> Floats:
    """Mean film vector of each item and a column that says whether it has one, (i, f + 1).

    A map can be learnt from films only where warm items have them; where none has, there are no columns.
    """
    table = pd.read_parquet(films)
    rows = pd.Index(item_ids).get_indexer(pd.Index(table["item_id"]))
    table, rows = table[rows >= 0], rows[rows >= 0]
    if not warm[rows].any():
        return np.zeros((len(item_ids), 0), np.float32)
    vectors = np.stack(table["vector"].tolist()).astype(np.float32)
    total = np.zeros((len(item_ids), vectors.shape[1]), np.float32)
    np.add.at(total, rows, vectors)
    has = np.bincount(rows, minlength=len(item_ids))[:, None] > 0
    return np.hstack([unit_rows(total), has.astype(np.float32)])


def choose_ridge(content: Floats, factors: Floats, settings: RecommenderSettings) -> float:
    """The penalty whose guesses lie nearest to the factors of warm items hidden from the map."""
    order = np.random.default_rng(settings.seed).permutation(len(content))
    n_hidden = round(len(content) * COLD_SHARE)
    hidden, shown = order[:n_hidden], order[n_hidden:]
    if not len(hidden) or not len(shown):
        return max(settings.cold_ridges)

    def likeness(ridge: float) -> float:
        learnt = ContentRegression.learn(content[shown], factors[shown], ridge)
        return float((learnt(content[hidden]) * factors[hidden]).sum(axis=1).mean())

    return max(settings.cold_ridges, key=likeness)


def directions(content: Floats, dimensions: int) -> Floats:
    """Content turned into its main directions, (i, d): the factors where nobody has acted on any item yet."""
    _, vectors = principal_directions(content.T @ content)
    kept = content @ vectors[:, :dimensions]
    return unit_rows(np.pad(kept, ((0, 0), (0, max(0, dimensions - kept.shape[1])))))


def choose_length(
    elsa: ItemFactors, content: Floats, validation: Csr, ridge: float, settings: RecommenderSettings
) -> float:
    """How long guessed rows are beside unit rows that were learnt, so that neither crowds the other out.

    Some warm items (content (i, c)) are guessed from the others and ranked among them for validation users (u, i);
    the length of best NDCG@100 over all items is taken, the shortest of equal ones.
    """
    hidden = np.random.default_rng(settings.seed).random(len(content)) < COLD_SHARE
    learnt = ContentRegression.learn(content[~hidden], elsa.matrix[~hidden], ridge)
    history, held_out = rows_with_items(*hold_out(validation, settings.held_out_share, settings.seed))
    shown = Csr(history.multiply(~hidden[None, :]))

    def quality(length: float) -> float:
        matrix = np.where(hidden[:, None], length * learnt(content), elsa.matrix)
        return mean_ndcg_100(factor_scorer(matrix), shown, held_out, settings.dimensions)

    return max(sorted(settings.cold_lengths), key=quality)


def complete(
    elsa: ItemFactors,
    item_ids: NDArray[np.object_],
    content: Floats,
    validation: Csr,
    settings: RecommenderSettings,
) -> tuple[ItemFactors, dict[str, float]]:
    """ELSA's factors where there are any, guesses elsewhere, in the order of `item_ids`; and what was chosen.

    content: (i, c). validation: users × items.
    """
    known = elsa.over(item_ids)
    warm = np.flatnonzero(~known.cold)
    if not len(warm):
        return replace(known, matrix=directions(content, settings.dimensions)), {}
    ridge = choose_ridge(content[warm], known.matrix[warm], settings)
    length = choose_length(elsa.over(item_ids[warm]), content[warm], validation[:, warm], ridge, settings)
    learnt = ContentRegression.learn(content[warm], known.matrix[warm], ridge)
    matrix = length * learnt(content)
    matrix[warm] = known.matrix[warm]
    return replace(known, matrix=matrix, content=learnt), {"ridge": ridge, "cold_length": length}


def judge(
    train: Csr,
    validation: Csr,
    test: Csr,
    content: Floats,
    is_hidden: NDArray[np.bool_],
    settings: RecommenderSettings,
    compute: ComputeSettings = LAPTOP,
) -> dict[str, float]:
    """Hide some of the items from ELSA's training and rank them for test users by their content.

    train, validation, test: users × warm items. content: (i, c), its first columns the text. is_hidden: (i,).
    Returns recall@20, recall@50 and NDCG@100 over hidden items of the map, of zero-shot text, and of popularity, which knows
    the counts of hidden items and so knows what a new item's map cannot.
    """
    hidden, shown = np.flatnonzero(is_hidden), np.flatnonzero(~is_hidden)
    history, held_out = test[:, shown], test[:, hidden]
    kept = np.flatnonzero((np.diff(history.indptr) > 0) & (np.diff(held_out.indptr) > 0))
    if not len(kept) or not len(shown):
        return {"users": 0.0}
    elsa = settings.model_copy(update={"neighbours": 0})
    factors = fit(train[:, shown], validation[:, shown], elsa, None, compute).factors
    ridge = choose_ridge(content[shown], factors, settings)
    guessed = ContentRegression.learn(content[shown], factors, ridge)(content[hidden])
    users = history[kept]
    counts = np.asarray((train[:, hidden] > 0).sum(axis=0), np.float32).ravel()
    ways: dict[str, Score] = {
        "map": lambda nobody: (users @ factors) @ guessed.T,
        "text": lambda nobody: (users @ content[shown]) @ content[hidden].T,
        "popularity": popularity_scorer(counts),
    }
    report = {"users": float(len(kept)), "hidden_items": float(len(hidden))}
    for name, score in ways.items():
        report |= _measures(name, score, held_out[kept])
    return report


def _measures(name: str, score: Score, held_out: Csr) -> dict[str, float]:
    nothing = Csr(held_out - held_out)
    values = per_user(score, nothing, held_out, held_out.shape[0])
    return {f"{name}_{metric}": round(float(each.mean()), 6) for metric, each in values.items()}


@stage(RecommenderSettings)
def main(
    catalogue: Input,
    split: Input,
    elsa: Input,
    item_vectors: Input,
    film_vectors: Input,
    item_factors: Output,
    metrics: Output,
    settings: RecommenderSettings,
    compute: ComputeSettings = LAPTOP,
    catalogue_settings: CatalogueSettings = DEFAULTS,
) -> Counts:
    """Write factors of all items of the catalogue, and measure how well guessed ones serve test users."""
    item_ids = read_items(catalogue)["item_id"].to_numpy(object)
    trained = ItemFactors.load(elsa)
    text = unit_rows(np.load(item_vectors))
    if len(text) != len(item_ids):
        raise RecommenderError(
            f"{item_vectors}: {len(text)} vectors for {len(item_ids)} items. Run the stage encode again."
        )
    warm = np.isin(item_ids, trained.item_ids)
    content = np.hstack([text, film_features(film_vectors, item_ids, warm)])
    interactions = read_interaction_matrix(catalogue, catalogue_settings.minimum_rating)
    parts = [interactions.of(read_users(split, part)) for part in ("train", "validation", "test")]
    factors, chosen = complete(trained, item_ids, content, parts[1], settings)
    factors.save(item_factors)
    users = [rows_with_items(part[:, np.flatnonzero(warm)])[0] for part in parts]
    hidden = hidden_items(item_ids[warm])
    report = judge(users[0], users[1], users[2], content[warm], hidden, settings, compute)
    report |= {"warm_items": int(warm.sum()), "cold_items": int((~warm).sum())} | chosen
    metrics.write_text(json.dumps(report, indent=2) + "\n")
    return report


if __name__ == "__main__":
    main.cli()
