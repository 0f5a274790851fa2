"""ELSA with and without its sparse part beside its peers: one split, the same held-out items, each in a process of its own.

python benchmarks/recommender.py --data goodbooks --json benchmarks/results/recommender_goodbooks.json

Settings are chosen by validation users; peers that are not installed are named as skipped.
"""

import json
import logging
import multiprocessing
import resource
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from recommender_data import Split, read_interactions, split
from rich.console import Console
from rich.table import Table

from components.core.arrays import Csr
from components.core.ranking_metrics import bootstrap_interval
from components.recommender.interaction_matrix import hold_out, rows_with_items
from components.recommender.metrics import Score, evaluate_users, factor_scorer, mean_ndcg_100
from components.recommender.settings import RecommenderSettings
from components.recommender.sparse_neighbours import find_neighbours
from components.recommender.train import fit

BATCH_USERS = 128
BOOTSTRAPS = 1000
DEFAULTS = {"goodbooks": (256, 5, 1024), "onlineretail": (256, 20, 256), "ml100k": (128, 30, 64)}
"""Dimensions, epochs and users a step of every ELSA on each data set."""


@dataclass(frozen=True)
class Task:
    """What every model of one run is given."""

    data: str
    movielens: Path
    dimensions: int
    epochs: int
    batch_size: int
    seeds: int
    quick: bool


@dataclass(frozen=True)
class Model:
    """How a fitted model scores users, and the bytes that it keeps."""

    score: Score
    size: int


Fitting = Callable[[Split, Task, int, Any], Model]


def popularity(parts: Split, task: Task, seed: int, setting: Any) -> Model:
    """The same for everybody."""
    counts = np.asarray(parts.train.sum(axis=0), np.float32)
    return Model(lambda rows: np.repeat(counts, rows.shape[0], axis=0), counts.nbytes)


def item_knn(parts: Split, task: Task, seed: int, setting: int) -> Model:
    """Cosines of the nearest items."""
    near = Csr(find_neighbours(parts.train, setting, BATCH_USERS).T)
    return Model(lambda rows: (rows @ near).toarray(), near.data.nbytes + near.indices.nbytes)


def ease(parts: Split, task: Task, seed: int, setting: float) -> Model:
    """Steck, Embarrassingly Shallow Autoencoders for Sparse Data, WWW 2019."""
    gram = (parts.train.T @ parts.train).toarray()
    gram[np.diag_indices_from(gram)] += setting * gram.diagonal().mean()
    inverse = np.linalg.inv(gram)
    weights = inverse / -np.diag(inverse)
    np.fill_diagonal(weights, 0)
    return Model(lambda rows: rows @ weights, weights.nbytes)


def als(parts: Split, task: Task, seed: int, setting: tuple[float, float]) -> Model:
    """Alternating least squares of the package implicit."""
    from implicit.als import AlternatingLeastSquares

    regularisation, alpha = setting
    model = AlternatingLeastSquares(
        task.dimensions, regularization=regularisation, alpha=alpha, num_threads=1, random_state=seed
    )
    model.fit(parts.train, show_progress=False)

    def score(rows: Csr) -> Any:
        return model.recalculate_user(np.arange(rows.shape[0]), rows) @ model.item_factors.T

    return Model(score, model.item_factors.nbytes)


def elsarec(parts: Split, task: Task, seed: int, setting: float) -> Model:
    """ELSA of its authors' package elsarec."""
    from elsa import ELSA

    torch.manual_seed(seed)
    items = parts.train.shape[1]
    model = ELSA(n_items=items, n_dims=task.dimensions, device=torch.device("cpu"), lr=setting)
    users = rows_with_items(parts.train)[0]
    model.fit(users, epochs=task.epochs, batch_size=task.batch_size, shuffle=True, verbose=False)
    factors = torch.nn.functional.normalize(model.get_items_embeddings(), dim=-1).numpy()
    return Model(factor_scorer(factors), factors.nbytes)


def elsa(parts: Split, task: Task, seed: int, setting: float) -> Model:
    """ELSA in its Gram form, low rank alone."""
    factors = fit(parts.train, parts.validation, settings_of(task, seed, setting)).factors
    return Model(factor_scorer(factors), factors.nbytes)


def elsa_and_sparse(parts: Split, task: Task, seed: int, setting: tuple[float, int, float]) -> Model:
    """ELSA with ridge regressions on each item's neighbours beside it."""
    learning_rate, neighbours, ridge = setting
    update = {"neighbours": neighbours, "neighbour_ridge": ridge}
    settings = settings_of(task, seed, learning_rate).model_copy(update=update)
    trained = fit(parts.train, parts.validation, settings)
    sparse = trained.neighbours
    assert sparse is not None
    size = trained.factors.nbytes + sparse.data.nbytes + sparse.indices.nbytes + sparse.indptr.nbytes
    return Model(factor_scorer(trained.factors, sparse), size)


def settings_of(task: Task, seed: int, learning_rate: float) -> RecommenderSettings:
    """The recommender's settings for ELSA alone, as this run trains it."""
    return RecommenderSettings(
        dimensions=task.dimensions, epochs=task.epochs, patience=task.epochs, batch_size=task.batch_size,
        learning_rate=learning_rate, seed=seed, neighbours=0,
    )  # fmt: skip


# how it is fitted, the package it needs, the settings that validation users choose from, and whether the seed matters
MODELS: dict[str, tuple[Fitting, str | None, tuple[Any, ...], bool]] = {
    "popularity": (popularity, None, (None,), False),
    "item-kNN": (item_knn, None, (20, 50, 100, 200), False),
    "EASE": (ease, None, (0.3, 1.0, 3.0), False),
    "ALS (implicit)": (als, "implicit", ((10.0, 1.0), (0.1, 10.0), (10.0, 10.0)), True),
    "ELSA": (elsa, None, (0.03, 0.1), True),
    "ELSA + sparse": (elsa_and_sparse, None, ((0.03, 50, 0.1), (0.03, 50, 0.3), (0.03, 50, 1.0)), True),
    "elsarec": (elsarec, "elsarec", (0.1,), True),
}


def measure(name: str, task: Task, answers: Any) -> None:
    """Choose a model's setting by validation users, fit it for each seed, and put what test users say into `answers`.

    The peak is that of the first fit and its scores, before a second model is kept beside it.
    """
    fitting, _, settings, drawn = MODELS[name]
    parts = split(read_interactions(task.data, task.movielens).matrix)
    validation = rows_with_items(*hold_out(parts.validation, 0.2, 0))
    fits, quality, peaks = {}, {}, []
    for setting in settings[: 1 if task.quick else None]:
        fits[setting] = timed(fitting, parts, task, 0, setting)
        quality[setting] = mean_ndcg_100(fits[setting][0].score, *validation, BATCH_USERS)
        peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    chosen = max(quality, key=lambda setting: quality[setting])
    runs = [fits[chosen]]
    runs += [timed(fitting, parts, task, seed, chosen) if drawn else runs[0] for seed in range(1, task.seeds)]
    tests = [rows_with_items(*hold_out(parts.test, 0.2, seed)) for seed in range(task.seeds)]
    values = [
        evaluate_users(model.score, *test, BATCH_USERS) for (model, _), test in zip(runs, tests, strict=True)
    ]
    items, size = parts.train.shape[1], runs[0][0].size
    report = {"setting": chosen, "cpu_seconds": round(float(np.mean([seconds for _, seconds in runs])), 2)}
    report |= {"peak_rss_mb": round(peaks[0])}
    report |= {"model_mb": round(size / 2**20, 2), "share_of_items_x_items": round(size / (4 * items**2), 4)}
    answers.put(report | summary(values))


def timed(fitting: Fitting, parts: Split, task: Task, seed: int, setting: Any) -> tuple[Model, float]:
    """A fitted model and the CPU seconds that it took."""
    started = time.process_time()
    model = fitting(parts, task, seed, setting)
    return model, time.process_time() - started


def summary(values: list[dict[str, Any]]) -> dict[str, Any]:
    """Mean of each metric over seeds and users, with the 95 % bootstrap interval over users of the seeds' mean."""
    report: dict[str, Any] = {}
    for metric in values[0]:
        users = np.mean([value[metric] for value in values], axis=0)
        low, high = bootstrap_interval(users, BOOTSTRAPS, seed=0)
        report[metric] = [round(float(number), 4) for number in (users.mean(), low, high)]
    return report


def installed(package: str | None) -> str | None:
    """The version of a package, None where it is absent."""
    try:
        return version(package or "tandem")
    except PackageNotFoundError:
        return None


def compare(task: Task, names: Iterable[str]) -> dict[str, Any]:
    """Each model's figures, from one process after the other."""
    context = multiprocessing.get_context("spawn")
    results: dict[str, Any] = {}
    for name in names:
        if installed(MODELS[name][1]) is None:
            results[name] = {"skipped": f"{MODELS[name][1]} is not installed"}
            continue
        answers = context.Queue()
        process = context.Process(target=measure, args=(name, task, answers))
        process.start()
        results[name] = answers.get()
        process.join()
        typer.echo(f"{name}: {json.dumps(results[name])}", err=True)
    return results


def show(results: dict[str, Any]) -> None:
    """The figures as a table."""
    columns = ("recall_20", "recall_50", "ndcg_100", "cpu_seconds", "peak_rss_mb", "share_of_items_x_items")
    table = Table("model", *columns)
    for name, row in results.items():
        cells = [row.get(column, row.get("skipped", "")) for column in columns]
        table.add_row(
            name, *(f"{c[0]:.4f} [{c[1]:.4f}, {c[2]:.4f}]" if isinstance(c, list) else str(c) for c in cells)
        )
    Console(width=160, stderr=True).print(table)


def main(
    data: Annotated[str, typer.Option(help="goodbooks, onlineretail or ml100k")],
    movielens: Annotated[Path, typer.Option(help="Folder of ml-100k.inter")] = Path(
        "data/packages/movielens"
    ),
    quick: Annotated[bool, typer.Option(help="Each model's first setting, one seed, one epoch")] = False,
    seeds: int = 3,
    models: Annotated[
        str, typer.Option(help="Comma-separated, whose figures replace those in --json; all if empty")
    ] = "",
    file: Annotated[Path | None, typer.Option("--json", help="Write the figures there")] = None,
) -> None:
    """Compare the recommender with its peers on held-out users."""
    dimensions, epochs, batch_size = DEFAULTS[data]
    task = Task(data, movielens, dimensions, 1 if quick else epochs, batch_size, 1 if quick else seeds, quick)
    names = models.split(",") if models else list(MODELS)
    results = compare(task, names)
    show(results)
    packages = ("torch", "numpy", "scipy", "pytorch-lightning", "implicit", "elsarec")
    parts = split(read_interactions(data, movielens).matrix)
    report = {
        "data": data, "items": parts.train.shape[1], "train_users": parts.train.shape[0],
        "test_users": parts.test.shape[0], "interactions": int(parts.train.nnz), "dimensions": dimensions,
        "epochs": task.epochs, "batch_size": batch_size, "seeds": task.seeds,
        "versions": {package: installed(package) for package in packages}, "models": results,
    }  # fmt: skip
    if file:
        kept = json.loads(file.read_text())["models"] if models and file.is_file() else {}
        report["models"] = kept | results
        file.write_text(json.dumps(report, indent=2) + "\n")
    typer.echo(json.dumps(report, indent=2))


if __name__ == "__main__":
    logging.disable(logging.INFO)
    typer.run(main)
