"""Train ELSA and the sparse part on the training users' interactions.

Validation users choose the epoch of ELSA that is kept and the weight of the sparse part.
"""

import logging
import warnings
from dataclasses import dataclass, field
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from pytorch_lightning.loggers import MLFlowLogger
from torch.utils.data import DataLoader
from tqdm import tqdm

from components.catalogue.held_out import read_users
from components.catalogue.settings import DEFAULTS, CatalogueSettings
from components.core.arrays import Csr, Floats
from components.core.compute import LAPTOP, ComputeSettings
from components.core.distributed import count_machines, count_processes, run_distributed
from components.core.stage import Counts, Input, Output, stage
from components.recommender.elsa import Elsa, UserBatches
from components.recommender.factors import ItemFactors
from components.recommender.interaction_matrix import hold_out, read_interaction_matrix, rows_with_items
from components.recommender.metrics import factor_scorer, mean_ndcg_100
from components.recommender.settings import RecommenderSettings
from components.recommender.sparse_neighbours import fit_neighbours


@dataclass(frozen=True)
class TrainedElsa:
    """Factors (i, d) of the best epoch, the sparse part (i, i) if there is one, and loss and NDCG@100 of each epoch."""

    factors: Floats
    neighbours: Csr | None = None
    history: pd.DataFrame = field(
        default_factory=lambda: pd.DataFrame(columns=["epoch", "validation_ndcg_100", "loss"])
    )


class BestEpoch(pl.Callback):  # type: ignore[misc]
    """Evaluates each epoch on the validation users, keeps the best factors and stops when they get no better.

    Of several training processes the first evaluates and broadcasts when to stop.
    best_factors: the factors of the best epoch (i, d). curve: loss and validation NDCG@100 of each epoch.
    """

    def __init__(self, history: Csr, held_out: Csr, settings: RecommenderSettings) -> None:
        self.users, self.held_out, self.settings = history, held_out, settings
        # below any NDCG, so that the first epoch is kept even where nothing is hit
        self.best_ndcg, self.best_epoch, self.best_factors = -1.0, 0, np.empty((0, 0), np.float32)
        self.curve: list[dict[str, float]] = []

    def on_train_start(self, trainer: pl.Trainer, model: Elsa) -> None:
        """Open the progress line."""
        self.progress = tqdm(
            total=self.settings.epochs, desc="ELSA", unit="epoch", disable=not trainer.is_global_zero
        )

    def on_train_epoch_end(self, trainer: pl.Trainer, model: Elsa) -> None:
        """Evaluate the epoch and stop training once `patience` epochs have not been better."""
        loss = float(trainer.callback_metrics["loss"])  # read by every process, as reading joins their losses
        if trainer.is_global_zero:
            self.record_epoch(trainer, loss, model)
        stale = trainer.current_epoch - self.best_epoch >= self.settings.patience
        # only the first process knows the best epoch; one that trained on alone would wait for ever
        trainer.should_stop = trainer.strategy.broadcast(stale)

    def record_epoch(self, trainer: pl.Trainer, loss: float, model: Elsa) -> None:
        """Add an epoch to the curve and to the tracked run, and keep its factors if they are the best."""
        epoch = trainer.current_epoch
        factors = model.factors().detach().cpu().numpy()
        value = mean_ndcg_100(factor_scorer(factors), self.users, self.held_out, self.settings.dimensions)
        self.curve.append({"epoch": epoch, "validation_ndcg_100": round(value, 6), "loss": round(loss, 6)})
        # without validation users nothing can be compared, and the last epoch is kept
        if value > self.best_ndcg or self.held_out.shape[0] == 0:
            self.best_ndcg, self.best_epoch, self.best_factors = value, epoch, factors
        if trainer.logger is not None:
            trainer.logger.log_metrics({"validation_ndcg_100": value, "loss": loss}, step=epoch)
        self.progress.set_postfix(loss=f"{loss:.4f}", ndcg=f"{value:.4f}", refresh=False)
        self.progress.update()

    def on_train_end(self, trainer: pl.Trainer, model: Elsa) -> None:
        """Close the progress line."""
        self.progress.close()


def fit(
    users: Csr,
    validation: Csr,
    settings: RecommenderSettings,
    start: Floats | None = None,
    compute: ComputeSettings = LAPTOP,
) -> TrainedElsa:
    """Train ELSA and the sparse part on users (u, i); every column of `users` must have an interaction.

    validation: (u', i), whose rows are split into a history and a held-out part. start: factors (i, d) to start from.
    """
    if users.nnz == 0:
        return TrainedElsa(np.zeros((users.shape[1], settings.dimensions), np.float32))
    history, held_out = rows_with_items(*hold_out(validation, settings.held_out_share, settings.seed))
    arguments = (users, history, held_out, settings, start, _build_logger())
    factors, curve = run_distributed(compute, train_process, *arguments)
    neighbours = fit_sparse_part(factors, users, history, held_out, settings) if settings.neighbours else None
    return TrainedElsa(factors, neighbours, pd.DataFrame(curve))


def train_process(
    users: Csr,
    history: Csr,
    held_out: Csr,
    settings: RecommenderSettings,
    start: Floats | None,
    logger: MLFlowLogger | bool,
) -> tuple[Floats, list[dict[str, float]]]:
    """Train in one process; the first process's result is the best factors (i, d) and the curve of the epochs."""
    torch.manual_seed(settings.seed)
    model = Elsa(users.shape[1], settings.dimensions, settings.learning_rate, start)
    # a user without items has a row of zeros, whose cosine is not a number
    batches = UserBatches(rows_with_items(users)[0], settings.batch_size, settings.seed)
    best = BestEpoch(history, held_out, settings)
    _build_trainer(settings, best, logger).fit(model, DataLoader(batches, batch_size=None))
    return best.best_factors, best.curve


def fit_sparse_part(
    factors: Floats, users: Csr, history: Csr, held_out: Csr, settings: RecommenderSettings
) -> Csr:
    """Fit the sparse part to users (u, i), and scale it by the weight of best validation NDCG@100 beside ELSA."""
    neighbours = fit_neighbours(users, settings.neighbours, settings.neighbour_ridge, settings.dimensions)

    def measure_ndcg(weight: float) -> float:
        scorer = factor_scorer(factors, neighbours * weight)
        return mean_ndcg_100(scorer, history, held_out, settings.dimensions)

    return Csr(neighbours * np.float32(max(settings.sparse_weights, key=measure_ndcg)))


def start_from(factors: Floats, rows: NDArray[np.int64], seed: int) -> Floats:
    """Return former factors as a start for the present items, (i, d), with random unit rows for new items.

    factors: (former i, d). rows: the former row of each present item, -1 for a new one.
    """
    start = np.random.default_rng(seed).normal(size=(len(rows), factors.shape[1])).astype(np.float32)
    start /= np.linalg.norm(start, axis=1, keepdims=True)
    start[rows >= 0] = factors[rows[rows >= 0]]
    return start


def _build_trainer(settings: RecommenderSettings, best: BestEpoch, logger: MLFlowLogger | bool) -> Any:
    """Build a trainer over the processes that run already."""
    # Lightning prints its hardware and its advice for every training, which hides the stage's own lines
    for name in ("pytorch_lightning", "pytorch_lightning.utilities.rank_zero", "lightning.pytorch"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="pytorch_lightning")
    return pl.Trainer(
        max_epochs=settings.epochs,
        callbacks=[best],
        devices=count_processes() // count_machines(),
        num_nodes=count_machines(),
        strategy="ddp" if count_processes() > 1 else "auto",
        logger=logger,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


def _build_logger() -> MLFlowLogger | bool:
    """Return a logger to the stage's own MLflow run, or False where nothing is tracked."""
    run = mlflow.active_run()
    # by the run's id: a logger without it would start a run for each process
    return MLFlowLogger(run_id=run.info.run_id, tracking_uri=mlflow.get_tracking_uri()) if run else False


@stage(RecommenderSettings, tracked=True)
def main(
    catalogue: Input,
    split: Input,
    elsa: Output,
    plot: Output,
    settings: RecommenderSettings,
    compute: ComputeSettings = LAPTOP,
    catalogue_settings: CatalogueSettings = DEFAULTS,
) -> Counts:
    """Train ELSA and write the factors of every item that a training user liked."""
    interactions = read_interaction_matrix(catalogue, catalogue_settings.minimum_rating)
    users = interactions.select_users(read_users(split, "train"))
    likes = np.asarray((users > 0).sum(axis=0), dtype=np.int64).ravel()
    warm = np.flatnonzero(likes)  # the others would keep their random rows; cold_start predicts theirs
    validation = interactions.select_users(read_users(split, "validation"))
    trained = fit(users[:, warm], validation[:, warm], settings, compute=compute)
    factors = ItemFactors(
        interactions.item_ids[warm],
        trained.factors,
        interactions=likes[warm],
        cold=np.zeros(len(warm), dtype=bool),
        neighbours=trained.neighbours,
    )
    factors.save(elsa)
    trained.history.to_csv(plot, index=False)
    best = trained.history["validation_ndcg_100"].max() if len(trained.history) else 0.0
    return {
        "users": users.shape[0],
        "items": len(warm),
        "interactions": int(users.nnz),
        "epochs": len(trained.history),
        "best_validation_ndcg_100": float(best),
    }


if __name__ == "__main__":
    main.cli()
