"""What training and predicting hold in memory at 50,000 items, and training in two processes."""

import json
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from components.core.arrays import Csr
from components.core.compute import ComputeSettings
from components.recommender.elsa import Elsa, compute_loss, to_batch
from components.recommender.metrics import factor_scorer, rank_items
from components.recommender.settings import RecommenderSettings
from components.recommender.sparse_neighbours import fit_neighbours
from components.recommender.train import fit

ITEMS, DIMENSIONS, USERS, BATCH = 50_000, 128, 300, 256
LARGEST = ITEMS * DIMENSIONS


class Tensors(TorchDispatchMode):
    """Remembers the most elements that any operation's result had, forward or backward."""

    largest = 0

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        result = operation(*args, **(kwargs or {}))
        sizes = [leaf.numel() for leaf in tree_leaves(result) if isinstance(leaf, torch.Tensor)]
        self.largest = max([self.largest, *sizes])
        return result


@pytest.fixture(scope="module")
def users() -> Csr:
    """Twenty items a user, some far more loved than others."""
    draw = np.random.default_rng(0)
    columns = (ITEMS * draw.random((USERS, 20)) ** 3).astype(np.int64)
    matrix = Csr((np.ones(columns.size, np.float32), (np.repeat(np.arange(USERS), 20), columns.ravel())),
                 shape=(USERS, ITEMS))  # fmt: skip
    matrix.data[:] = 1
    return matrix


def numpy_peak(work) -> int:
    """Most bytes that numpy held at once during `work`, beyond what it held before."""
    tracemalloc.start()
    work()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def test_training_holds_no_array_larger_than_items_times_dimensions(users):
    settings = RecommenderSettings(dimensions=DIMENSIONS, batch_size=BATCH, epochs=1, neighbours=0)
    with Tensors() as tensors:
        peak = numpy_peak(lambda: fit(users, users[:0], settings))
    assert tensors.largest == LARGEST
    assert peak < 4 * LARGEST


def test_the_dense_form_would(users):
    x = torch.from_numpy(users[:BATCH].toarray())
    factors = Elsa(ITEMS, DIMENSIONS, 0.1).factors().detach()
    with Tensors() as tensors:
        torch.nn.functional.normalize(x @ factors @ factors.T - x, dim=1)
    assert tensors.largest == BATCH * ITEMS > LARGEST
    with Tensors() as tensors:
        compute_loss(factors, to_batch(users[:BATCH]))
    assert tensors.largest == LARGEST


@pytest.mark.slow
def test_the_sparse_part_and_predictions_hold_none_either(users):
    parts = []
    peak = numpy_peak(lambda: parts.append(fit_neighbours(users, 20, 0.3, DIMENSIONS)))
    assert peak < 4 * LARGEST
    factors = np.random.default_rng(1).random((ITEMS, DIMENSIONS), dtype=np.float32)
    # everything that is held at once is smaller than one array of items × dimensions, so each array is
    assert numpy_peak(lambda: rank_items(factor_scorer(factors, parts[0]), users[:64], 100, 16)) < 4 * LARGEST


TRAINING = """
import json, sys, warnings
import numpy as np, pytorch_lightning as pl, torch
from torch.utils.data import DataLoader
from components.recommender.elsa import Elsa, UserBatches
from components.core.arrays import Csr

class Losses(pl.Callback):
    values = []
    def on_train_batch_end(self, trainer, model, outputs, batch, number):
        self.values.append(float(trainer.strategy.reduce(outputs["loss"].detach(), reduce_op="mean")))

processes, file = int(sys.argv[1]), sys.argv[2]
users = Csr((np.random.default_rng(0).random((96, 40)) < 0.3).astype(np.float32))
torch.manual_seed(0)
model, losses = Elsa(40, 8, 0.05), Losses()
trainer = pl.Trainer(
    accelerator="cpu", devices=processes, strategy="ddp" if processes > 1 else "auto", max_epochs=4, logger=False,
    callbacks=[losses], enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
)
trainer.fit(model, DataLoader(UserBatches(users, 20, 3), batch_size=None))
if trainer.is_global_zero:
    json.dump({"losses": losses.values, "factors": model.factors().tolist()}, open(file, "w"))
"""


@pytest.mark.slow
def test_two_processes_train_as_one_does_on_the_joined_batches(tmp_path: Path):
    script = tmp_path / "training.py"
    script.write_text(TRAINING)
    results = []
    for processes in (1, 2):
        file = tmp_path / f"{processes}.json"
        subprocess.run(
            [sys.executable, str(script), str(processes), str(file)], check=True, capture_output=True
        )
        results.append(json.loads(file.read_text()))
    one, two = results
    assert len(one["losses"]) == 4 * 5
    np.testing.assert_allclose(one["losses"], two["losses"], atol=1e-4)
    np.testing.assert_allclose(one["factors"], two["factors"], atol=1e-3)
    assert one["losses"][-1] < one["losses"][0]


@pytest.mark.slow
def test_a_stage_trains_in_two_processes_as_in_one_and_stops_at_the_same_epoch():
    draw = np.random.default_rng(0)
    taste = np.arange(60) % 6
    liked = draw.random((300, 60)) < np.where(taste == (np.arange(300) % 6)[:, None], 0.5, 0.02)
    matrix = Csr(liked.astype(np.float32))
    settings = RecommenderSettings(
        dimensions=8, epochs=12, patience=2, batch_size=40, learning_rate=0.1, neighbours=5, seed=3
    )
    one, two = (
        fit(matrix[:240], matrix[240:], settings, None, ComputeSettings(kind="gpus", devices=devices))
        for devices in (1, 2)
    )
    assert 3 <= len(one.history) == len(two.history) < 12
    np.testing.assert_allclose(one.history["loss"], two.history["loss"], atol=1e-4)
    np.testing.assert_allclose(one.factors, two.factors, atol=1e-3)
    np.testing.assert_allclose(one.neighbours.toarray(), two.neighbours.toarray(), atol=1e-6)
