"""The sparse loss is the dense one, and a loss that is no number stops the training."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from components.recommender.elsa import Elsa, UserBatches, compute_loss, to_batch, unit_rows
from components.recommender.settings import RecommenderError, RecommenderSettings
from components.recommender.train import fit, start_from


def dense_loss(factors: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    predicted = torch.nn.functional.normalize(x @ factors @ factors.T - x, dim=1)
    return torch.nn.functional.mse_loss(predicted, torch.nn.functional.normalize(x, dim=1)) * x.shape[1]


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    users=st.integers(1, 8),
    items=st.integers(3, 30),
    dimensions=st.integers(2, 12),
    weighted=st.booleans(),
)
def test_the_gram_loss_and_its_gradient_equal_the_dense_ones(seed, users, items, dimensions, weighted):
    draw = np.random.default_rng(seed)
    x = (draw.random((users, items)) < 0.4).astype(float)
    x[np.arange(users), draw.integers(0, items, users)] = 1
    if weighted:
        x *= draw.uniform(0.5, 3, x.shape)
    weight = torch.tensor(draw.normal(size=(items, dimensions)), requires_grad=True)
    results = []
    for value in (
        compute_loss(unit_rows(weight), to_batch(sparse.csr_matrix(x))),
        dense_loss(torch.nn.functional.normalize(weight, dim=1), torch.tensor(x)),
    ):
        results.append((value.detach(), torch.autograd.grad(value, weight)[0]))
    torch.testing.assert_close(results[0], results[1], atol=1e-6, rtol=1e-6)


def test_every_user_comes_once_an_epoch_in_a_new_order():
    matrix = sparse.csr_matrix(np.eye(10, dtype=np.float32))
    batches = UserBatches(matrix, batch_size=4, seed=0)
    epochs = [[batch[0].tolist() for batch in batches] for _ in range(2)]
    assert [sorted(user for batch in epoch for user in batch) for epoch in epochs] == [list(range(10))] * 2
    assert epochs[0] != epochs[1]


def test_a_loss_that_is_no_number_names_epoch_and_batch():
    matrix = sparse.csr_matrix(np.array([[1, 1, 0], [0, 1, np.inf]], dtype=np.float32))
    with pytest.raises(RecommenderError, match=r"epoch 0, batch 0: the loss is nan.*learning_rate"):
        fit(matrix, matrix[:0], RecommenderSettings(epochs=2, dimensions=2))


def test_the_factors_have_rows_of_length_one():
    factors = Elsa(7, 3, 0.1).factors().detach().numpy()
    np.testing.assert_allclose(np.linalg.norm(factors, axis=1), 1, rtol=1e-5)


def test_a_training_that_starts_from_good_factors_needs_fewer_epochs():
    draw = np.random.default_rng(0)
    taste = np.arange(60) % 6
    users = (
        draw.random((300, 60)) < np.where(taste[None] == (np.arange(300) % 6)[:, None], 0.5, 0.02)
    ).astype(np.float32)
    matrix, validation = sparse.csr_matrix(users[:240]), sparse.csr_matrix(users[240:])
    chosen = RecommenderSettings(dimensions=8, epochs=12, patience=12, batch_size=40, neighbours=0)
    cold = fit(matrix, validation, chosen)
    warm = fit(matrix, validation, chosen, start_from(cold.factors, np.arange(60), 0))
    assert warm.history["loss"][0] < cold.history["loss"][0]
    assert warm.history["validation_ndcg_100"][0] > cold.history["validation_ndcg_100"][0]


def test_items_that_stay_keep_their_row_and_new_ones_get_one():
    factors = torch.nn.functional.normalize(torch.rand(4, 3), dim=1).numpy()
    start = start_from(factors, np.array([2, -1, 0]), 0)
    np.testing.assert_array_equal(start[[0, 2]], factors[[2, 0]])
    np.testing.assert_allclose(np.linalg.norm(start, axis=1), 1, rtol=1e-5)
