"""ELSA (Vančura et al., Scalable Linear Shallow Autoencoder for Collaborative Filtering, RecSys 2022), without a dense row.

The model predicts p = xAAᵀ − x for a user's row x (1, i), with A (i, d) of unit rows, and minimises the squared
distance of p/‖p‖ to x/‖x‖, which is 2 − 2⟨p, x⟩ / (‖p‖‖x‖). With z = xA (1, d) and the Gram matrix G = AᵀA (d, d):

    ⟨p, x⟩ = xAAᵀxᵀ − xxᵀ              = ‖z‖² − ‖x‖²
    ‖p‖²   = xAAᵀAAᵀxᵀ − 2xAAᵀxᵀ + xxᵀ = zGzᵀ − 2‖z‖² + ‖x‖²

so the loss needs the gathered rows of A and one d × d matrix, and neither a row of predictions nor a dense x.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch import distributed
from torch.nn.functional import embedding_bag
from torch.utils.data import IterableDataset

from components.core.arrays import Csr, Floats
from components.recommender.settings import RecommenderError

EPSILON = 1e-12  # keeps an item without weight, and a prediction of zeros, from dividing by zero
Batch = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


class Gram(torch.autograd.Function):
    """AᵀA of A (i, d), with its gradient in one product over the items: A(∂ + ∂ᵀ), where autograd takes two."""

    @staticmethod
    def forward(context: Any, factors: torch.Tensor) -> torch.Tensor:
        """Return AᵀA, (d, d)."""
        context.save_for_backward(factors)
        return factors.T @ factors

    @staticmethod
    def backward(context: Any, *gradients: torch.Tensor) -> torch.Tensor:
        """Return the gradient of A (i, d) from that of AᵀA (d, d)."""
        (factors,) = context.saved_tensors
        return factors @ (gradients[0] + gradients[0].T)


class UnitRows(torch.autograd.Function):
    """Rows of A (i, d) over their lengths, with the gradient in one expression."""

    # autograd's own gradient took more of a step than the loss did

    @staticmethod
    def forward(context: Any, weight: torch.Tensor) -> torch.Tensor:
        """Return rows of length 1, (i, d); rows of zeros stay."""
        lengths = torch.linalg.vector_norm(weight, dim=1, keepdim=True).clamp_min(EPSILON)
        rows = weight / lengths
        context.save_for_backward(rows, lengths)
        return rows

    @staticmethod
    def backward(context: Any, *gradients: torch.Tensor) -> torch.Tensor:
        """Return the gradient (i, d) without its part along the rows, which cannot change their direction."""
        rows, lengths = context.saved_tensors
        along = torch.linalg.vecdot(gradients[0], rows)[:, None]
        return torch.addcmul(gradients[0], along, rows, value=-1).div_(lengths)


gram: Callable[[torch.Tensor], torch.Tensor] = Gram.apply  # type: ignore[assignment]
unit_rows: Callable[[torch.Tensor], torch.Tensor] = UnitRows.apply  # type: ignore[assignment]


def to_batch(users: Csr) -> Batch:
    """Return rows (b, i) as columns (n,), weights (n,) and the start of each row (b,)."""
    return (
        torch.from_numpy(users.indices.astype(np.int64)),
        torch.from_numpy(users.data),
        torch.from_numpy(users.indptr[:-1].astype(np.int64)),
    )


def compute_loss(factors: torch.Tensor, batch: Batch) -> torch.Tensor:
    """Return the mean over the batch of 2 − 2cos(xAAᵀ − x, x), from z = xA and the Gram matrix alone.

    factors: (i, d), unit rows. batch: the result of `to_batch`.
    """
    columns, weights, starts = batch
    weights = weights.to(factors.dtype)  # embedding_bag takes no mixed types
    z = embedding_bag(columns, factors, starts, mode="sum", per_sample_weights=weights)
    ends = torch.cat([starts[1:], starts.new_tensor([len(columns)])])
    owner = torch.repeat_interleave(torch.arange(len(starts), device=starts.device), ends - starts)
    x_squared = torch.zeros_like(z[:, 0]).index_add(0, owner, weights**2)
    z_squared = (z * z).sum(dim=1)
    p_squared = ((z @ gram(factors)) * z).sum(dim=1) - 2 * z_squared + x_squared
    cosine = (z_squared - x_squared) / (p_squared.clamp_min(EPSILON).sqrt() * x_squared.sqrt())
    return (2 - 2 * cosine).mean()


class UserBatches(IterableDataset[Batch]):
    """Batches of users' rows, each user once an epoch, in an order that the seed determines.

    Each of several training processes gets its own rows of every batch. The epoch is cut to a multiple of the number of
    processes.
    """

    def __init__(self, users: Csr, batch_size: int, seed: int) -> None:
        self.users, self.batch_size = users, batch_size
        # one generator for all epochs, so that each has another order
        self.draw = np.random.default_rng(seed)

    def __len__(self) -> int:
        """Return the number of batches of an epoch."""
        return math.ceil(self.users.shape[0] / self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        """Yield the batches of one epoch."""
        rank, processes = _find_rank()
        order = self.draw.permutation(self.users.shape[0])
        order = order[: len(order) // processes * processes]
        for start in range(0, len(order), self.batch_size):
            # every process draws the same order and takes its rows, so that no user is trained on twice
            yield to_batch(self.users[order[start : start + self.batch_size][rank::processes]])


def _find_rank() -> tuple[int, int]:
    """Return the rank of this training process and the number of processes."""
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1


class Elsa(pl.LightningModule):  # type: ignore[misc]
    """Item factors A (i, d), trained by Adam from random rows or from given ones."""

    def __init__(
        self, items: int, dimensions: int, learning_rate: float, start: Floats | None = None
    ) -> None:
        super().__init__()
        self.learning_rate = learning_rate
        weight = torch.nn.init.xavier_uniform_(torch.empty(items, dimensions))
        # a copy, since from_numpy shares memory and training would change the caller's array
        self.weight = torch.nn.Parameter(weight if start is None else torch.from_numpy(start.copy()))

    def factors(self) -> torch.Tensor:
        """Return A with unit rows, (i, d)."""
        return unit_rows(self.weight)

    def training_step(self, batch: Batch, number: int) -> torch.Tensor:
        """Return the loss of a batch.

        Raises RecommenderError naming epoch and batch if the loss is not finite.
        """
        value = compute_loss(self.factors(), batch)
        if not torch.isfinite(value):
            raise RecommenderError(
                f"ELSA, epoch {self.current_epoch}, batch {number}: the loss is {value.item()}. "
                "Lower learning_rate in conf/recommender.yaml, and check the interactions for weights that are not finite."
            )
        size = len(batch[2])
        # BestEpoch sends it to the tracked run together with the validation metric, so not here
        self.log("loss", value, on_step=False, on_epoch=True, batch_size=size, sync_dist=True, logger=False)
        return value

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return Adam over the factors."""
        return torch.optim.Adam(self.parameters(), lr=self.learning_rate, fused=True)
