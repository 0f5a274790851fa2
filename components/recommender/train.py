"""Train ELSA on the training users' interactions, and the sparse part beside it; validation users choose.

They choose the epoch of ELSA that is kept and how much the sparse part counts.
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
from components.core.compute import LAPTOP, ComputeSettings
from components.core.distributed import count_machines, count_processes, run_distributed
from components.core.stage import Counts, Input, Output, stage
from components.recommender.elsa import Elsa, UserBatches
from components.recommender.factors import ItemFactors
from components.recommender.interaction_matrix import (
    Csr,
    Floats,
    hold_out,
    read_interaction_matrix,
    rows_with_items,
)
from components.recommender.metrics import factor_scorer, mean_ndcg_100
from components.recommender.settings import RecommenderSettings
from components.recommender.sparse_neighbours import fit_neighbours


@dataclass(frozen=True)
class TrainedElsa:
    """Factors (i, d) of the best epoch, the sparse part (i, i) if there is one, and what each epoch came to."""

    factors: Floats
    neighbours: Csr | None = None
    history: pd.DataFrame = field(
        default_factory=lambda: pd.DataFrame(columns=["epoch", "validation_ndcg_100", "loss"])
    )


class BestEpoch(pl.Callback):  # type: ignore[misc]
    """Judge each epoch on the validation users, keep the best factors, stop when they get no better.

    Of several training processes the first judges and the others are told.
    best: the factors of the best epoch (i, d). curve: what each epoch came to.
    """

    def __init__(self, history: Csr, held_out: Csr, settings: RecommenderSettings) -> None:
        self.users, self.held_out, self.settings = history, held_out, settings
        self.best_ndcg, self.best_epoch, self.best = -1.0, 0, np.empty((0, 0), np.float32)
        self.curve: list[dict[str, float]] = []

    def on_train_start(self, trainer: pl.Trainer, model: Elsa) -> None:
        """Open the progress line."""
        self.progress = tqdm(
            total=self.settings.epochs, desc="ELSA", unit="epoch", disable=not trainer.is_global_zero
        )

    def on_train_epoch_end(self, trainer: pl.Trainer, model: Elsa) -> None:
        """Measure NDCG@100; without validation users every epoch is taken for the best so far."""
        lost = float(trainer.callback_metrics["loss"])  # read by every process, as reading joins their losses
        if trainer.is_global_zero:
            self.judge(trainer, lost, model)
        stale = trainer.current_epoch - self.best_epoch >= self.settings.patience
        trainer.should_stop = trainer.strategy.broadcast(stale)

    def judge(self, trainer: pl.Trainer, lost: float, model: Elsa) -> None:
        """Add an epoch to the curve and to the run that is tracked, and keep its factors if they are the best."""
        epoch = trainer.current_epoch
        factors = model.factors().detach().cpu().numpy()
        value = mean_ndcg_100(factor_scorer(factors), self.users, self.held_out, self.settings.dimensions)
        self.curve.append({"epoch": epoch, "validation_ndcg_100": round(value, 6), "loss": round(lost, 6)})
        if value > self.best_ndcg or self.held_out.shape[0] == 0:
            self.best_ndcg, self.best_epoch, self.best = value, epoch, factors
        if trainer.logger is not None:
            trainer.logger.log_metrics({"validation_ndcg_100": value, "loss": lost}, step=epoch)
        self.progress.set_postfix(loss=f"{lost:.4f}", ndcg=f"{value:.4f}", refresh=False)
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
    """Train on users (u, i); every column of `users` must have an interaction.

    validation: (u', i), whose rows are split into a history and a held-out part. start: factors (i, d) to start from.
    """
    if users.nnz == 0:
        return TrainedElsa(np.zeros((users.shape[1], settings.dimensions), np.float32))
    history, held_out = rows_with_items(*hold_out(validation, settings.held_out_share, settings.seed))
    factors, curve = run_distributed(compute, learn, users, history, held_out, settings, start, _logger())
    neighbours = fit_beside(factors, users, history, held_out, settings) if settings.neighbours else None
    return TrainedElsa(factors, neighbours, pd.DataFrame(curve))


def learn(
    users: Csr,
    history: Csr,
    held_out: Csr,
    settings: RecommenderSettings,
    start: Floats | None,
    logger: MLFlowLogger | bool,
) -> tuple[Floats, list[dict[str, float]]]:
    """Train one process's share; the best factors (i, d) and what each epoch came to, of the first process."""
    torch.manual_seed(settings.seed)
    model = Elsa(users.shape[1], settings.dimensions, settings.learning_rate, start)
    batches = UserBatches(rows_with_items(users)[0], settings.batch_size, settings.seed)
    best = BestEpoch(history, held_out, settings)
    _trainer(settings, best, logger).fit(model, DataLoader(batches, batch_size=None))
    return best.best, best.curve


def fit_beside(
    factors: Floats, users: Csr, history: Csr, held_out: Csr, settings: RecommenderSettings
) -> Csr:
    """The sparse part for users (u, i), times the share that serves validation users best beside ELSA's factors."""
    neighbours = fit_neighbours(users, settings.neighbours, settings.neighbour_ridge, settings.dimensions)

    def quality(share: float) -> float:
        return mean_ndcg_100(
            factor_scorer(factors, neighbours * share), history, held_out, settings.dimensions
        )

    return Csr(neighbours * np.float32(max(settings.sparse_weights, key=quality)))


def start_from(factors: Floats, rows: NDArray[np.int64], seed: int) -> Floats:
    """Yesterday's factors as a start for today's items, (i, d); random unit rows for the new ones.

    factors: (yesterday's i, d). rows: yesterday's row of each of today's items, -1 for a new one.
    """
    start = np.random.default_rng(seed).normal(size=(len(rows), factors.shape[1])).astype(np.float32)
    start /= np.linalg.norm(start, axis=1, keepdims=True)
    start[rows >= 0] = factors[rows[rows >= 0]]
    return start


def _trainer(settings: RecommenderSettings, best: BestEpoch, logger: MLFlowLogger | bool) -> Any:
    """Over the processes that are there already."""
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


def _logger() -> MLFlowLogger | bool:
    """The stage's own MLflow run, to which training processes log too; False where nothing is tracked."""
    run = mlflow.active_run()
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
    users = interactions.of(read_users(split, "train"))
    met = np.asarray((users > 0).sum(axis=0), dtype=np.int64).ravel()
    warm = np.flatnonzero(met)
    trained = fit(
        users[:, warm], interactions.of(read_users(split, "validation"))[:, warm], settings, None, compute
    )
    cold = np.zeros(len(warm), dtype=bool)
    factors = ItemFactors(interactions.item_ids[warm], trained.factors, met[warm], cold, trained.neighbours)
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
