"""Predict the factors of cold-start items: a ridge regression from text and film vectors to ELSA's factors."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from components.catalogue.held_out import COLD_SHARE, hidden_items, read_users
from components.catalogue.settings import DEFAULTS, CatalogueSettings
from components.catalogue.tables import read_items
from components.core.arrays import Csr, Floats
from components.core.compute import LAPTOP, ComputeSettings
from components.core.linear_algebra import principal_directions, unit_rows
from components.core.stage import Counts, Input, Output, stage
from components.recommender.content_regression import ContentRegression
from components.recommender.factors import ItemFactors
from components.recommender.interaction_matrix import hold_out, read_interaction_matrix, rows_with_items
from components.recommender.metrics import (
    Score,
    evaluate_users,
    factor_scorer,
    mean_ndcg_100,
    popularity_scorer,
)
from components.recommender.settings import RecommenderError, RecommenderSettings
from components.recommender.train import fit


def film_features(films: Path, item_ids: NDArray[np.object_], warm: NDArray[np.bool_]) -> Floats:
    """Return the mean film vector of each item and whether it has one, (i, f + 1); no columns without warm films."""
    table = pd.read_parquet(films)
    rows = pd.Index(item_ids).get_indexer(pd.Index(table["item_id"]))
    table, rows = table[rows >= 0], rows[rows >= 0]
    # nothing can be fitted from films that only cold items have
    if not warm[rows].any():
        return np.zeros((len(item_ids), 0), np.float32)
    vectors = np.stack(table["vector"].tolist()).astype(np.float32)
    total = np.zeros((len(item_ids), vectors.shape[1]), np.float32)
    np.add.at(total, rows, vectors)  # total[rows] += vectors would count one film of an item only
    # the last column tells the regression an item without films from one whose films say nothing
    has_film = np.bincount(rows, minlength=len(item_ids))[:, None] > 0
    return np.hstack([unit_rows(total), has_film.astype(np.float32)])


def choose_ridge(content: Floats, factors: Floats, settings: RecommenderSettings) -> float:
    """Choose the penalty whose predictions for hidden warm items have the largest cosines with their factors."""
    order = np.random.default_rng(settings.seed).permutation(len(content))
    n_hidden = round(len(content) * COLD_SHARE)
    hidden, shown = order[:n_hidden], order[n_hidden:]
    if not len(hidden) or not len(shown):
        return max(settings.cold_ridges)  # too few items to compare: the most cautious

    def mean_cosine(ridge: float) -> float:
        regression = ContentRegression.fit(content[shown], factors[shown], ridge)
        return float((regression(content[hidden]) * factors[hidden]).sum(axis=1).mean())

    return max(settings.cold_ridges, key=mean_cosine)


def project_content(content: Floats, dimensions: int) -> Floats:
    """Return content along its main directions, (i, d): the factors of a catalogue without interactions."""
    _, vectors = principal_directions(content.T @ content)
    projected = content @ vectors[:, :dimensions]
    return unit_rows(np.pad(projected, ((0, 0), (0, max(0, dimensions - projected.shape[1])))))


def choose_length(
    elsa: ItemFactors, content: Floats, validation: Csr, ridge: float, settings: RecommenderSettings
) -> float:
    """Choose the length of predicted rows beside trained rows of length 1.

    Some warm items (content (i, c)) are predicted from the others and ranked among them for validation users (u, i).
    Returns the length of best NDCG@100 over all items, the shortest of equal ones.
    """
    # predictions of length 1 lie near every user's embedding and would crowd out trained items
    hidden = np.random.default_rng(settings.seed).random(len(content)) < COLD_SHARE
    regression = ContentRegression.fit(content[~hidden], elsa.matrix[~hidden], ridge)
    history, held_out = rows_with_items(*hold_out(validation, settings.held_out_share, settings.seed))
    shown = Csr(history.multiply(~hidden[None, :]))

    def measure_ndcg(length: float) -> float:
        matrix = np.where(hidden[:, None], length * regression(content), elsa.matrix)
        return mean_ndcg_100(factor_scorer(matrix), shown, held_out, settings.dimensions)

    return max(sorted(settings.cold_lengths), key=measure_ndcg)


def complete_factors(
    elsa: ItemFactors,
    item_ids: NDArray[np.object_],
    content: Floats,
    validation: Csr,
    settings: RecommenderSettings,
) -> tuple[ItemFactors, dict[str, float]]:
    """Return ELSA's factors, predicted ones for cold-start items, in the order of `item_ids`, and the choices made.

    content: (i, c). validation: users × items.
    """
    known = elsa.align_to(item_ids)
    warm = np.flatnonzero(~known.cold)
    if not len(warm):
        return replace(known, matrix=project_content(content, settings.dimensions)), {}
    ridge = choose_ridge(content[warm], known.matrix[warm], settings)
    length = choose_length(elsa.align_to(item_ids[warm]), content[warm], validation[:, warm], ridge, settings)
    regression = ContentRegression.fit(content[warm], known.matrix[warm], ridge)
    matrix = length * regression(content)
    matrix[warm] = known.matrix[warm]
    return replace(known, matrix=matrix, content=regression), {"ridge": ridge, "cold_length": length}


def evaluate_hidden_items(
    train: Csr,
    validation: Csr,
    test: Csr,
    content: Floats,
    is_hidden: NDArray[np.bool_],
    settings: RecommenderSettings,
    compute: ComputeSettings = LAPTOP,
) -> dict[str, float]:
    """Hide some items from ELSA's training and rank them for test users by their content.

    train, validation, test: users × warm items. content: (i, c), its first columns the text. is_hidden: (i,).
    Returns recall@20, recall@50 and NDCG@100 over hidden items of the regression ("map"), of zero-shot text and of
    popularity.
    """
    hidden, shown = np.flatnonzero(is_hidden), np.flatnonzero(~is_hidden)
    history, held_out = test[:, shown], test[:, hidden]
    kept = np.flatnonzero((np.diff(history.indptr) > 0) & (np.diff(held_out.indptr) > 0))
    if not len(kept) or not len(shown):
        return {"users": 0.0}
    # a cold-start item has no neighbours, so the sparse part could not score it
    elsa = settings.model_copy(update={"neighbours": 0})
    factors = fit(train[:, shown], validation[:, shown], elsa, compute=compute).factors
    ridge = choose_ridge(content[shown], factors, settings)
    predicted = ContentRegression.fit(content[shown], factors, ridge)(content[hidden])
    users = history[kept]
    # popularity knows the interactions of hidden items, which for a truly new item nobody knows
    counts = np.asarray((train[:, hidden] > 0).sum(axis=0), np.float32).ravel()
    scorers: dict[str, Score] = {
        "map": lambda _: (users @ factors) @ predicted.T,
        "text": lambda _: (users @ content[shown]) @ content[hidden].T,
        "popularity": popularity_scorer(counts),
    }
    report = {"users": float(len(kept)), "hidden_items": float(len(hidden))}
    for name, score in scorers.items():
        report |= _measure_scorer(name, score, held_out[kept])
    return report


def _measure_scorer(name: str, score: Score, held_out: Csr) -> dict[str, float]:
    # only hidden items are ranked, so there is no history to leave out, and all users are scored at once
    no_history = Csr(held_out.shape, dtype=held_out.dtype)
    values = evaluate_users(score, no_history, held_out, batch_users=held_out.shape[0])
    return {f"{name}_{metric}": round(float(of_users.mean()), 6) for metric, of_users in values.items()}


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
    """Write the factors of all items of the catalogue, and measure predicted ones on test users."""
    item_ids = read_items(catalogue)["item_id"].to_numpy(object)
    trained = ItemFactors.load(elsa)
    text_vectors = unit_rows(np.load(item_vectors))
    if len(text_vectors) != len(item_ids):
        raise RecommenderError(
            f"{item_vectors}: {len(text_vectors)} vectors for {len(item_ids)} items. Run the stage encode again."
        )
    warm = np.isin(item_ids, trained.item_ids)
    # text first: a query or a session has a text alone and uses the first columns of the regression
    content = np.hstack([text_vectors, film_features(film_vectors, item_ids, warm)])
    interactions = read_interaction_matrix(catalogue, catalogue_settings.minimum_rating)
    parts = [interactions.select_users(read_users(split, part)) for part in ("train", "validation", "test")]
    factors, chosen = complete_factors(trained, item_ids, content, parts[1], settings)
    factors.save(item_factors)
    train, validation, test = (rows_with_items(part[:, np.flatnonzero(warm)])[0] for part in parts)
    report = evaluate_hidden_items(
        train,
        validation,
        test=test,
        content=content[warm],
        is_hidden=hidden_items(item_ids[warm]),
        settings=settings,
        compute=compute,
    )
    report |= {"warm_items": int(warm.sum()), "cold_items": int((~warm).sum())} | chosen
    metrics.write_text(json.dumps(report, indent=2) + "\n")
    return report


if __name__ == "__main__":
    main.cli()
