"""What finetuning minimises."""

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from components.catalogue.implicit_feedback import select_positives
from components.recommender import elsa
from components.search.item_text import item_texts
from components.text_model.encoder import TextEncoder, open_model
from components.text_model.finetune import choose_loss
from components.text_model.losses import CombinedLoss, InteractionsLoss, elsa_loss, nested_lengths, pairs_loss
from components.text_model.settings import TextModelError, TextModelSettings
from components.text_model.user_item_matrix import read_user_items, tabulate_likes
from tests.text_model.conftest import KINDS, garments, shoppers

FEW = TextModelSettings(dimensions=384, nested_dimensions=[64, 512, 32], items_per_step=8, users_per_step=5)


@pytest.fixture(scope="module")
def model(small_encoder_folder):
    opened = open_model(str(small_encoder_folder))
    opened.max_seq_length = 16
    return opened.eval()


@pytest.fixture(scope="module")
def taste(tmp_path_factory):
    file = tmp_path_factory.mktemp("taste") / "taste.parquet"
    items = garments()
    tabulate_likes(items, select_positives(shoppers(items), minimum_rating=4)).to_parquet(file)
    return read_user_items(file)


def gradients(model, loss: torch.Tensor) -> list[torch.Tensor]:
    model.zero_grad()
    loss.backward()
    return [value.grad.clone() for value in model.parameters() if value.grad is not None]


def test_the_recommenders_loss_is_the_recommenders():
    chance = np.random.default_rng(0)
    users = sparse.random(7, 12, 0.4, format="csr", random_state=1, dtype=np.float32)
    users.data[:] = 1
    users = users[np.diff(users.indptr) > 0]
    factors = torch.from_numpy(chance.normal(size=(12, 5)).astype(np.float32))
    ours = elsa_loss(factors, torch.from_numpy(users.toarray()))
    assert ours == pytest.approx(
        float(elsa.compute_loss(elsa.unit_rows(factors), elsa.to_batch(users))), abs=1e-6
    )


def test_taste_keeps_who_likes_two_items_or_more(taste):
    texts, histories = taste
    items = garments()
    assert texts == [text for text in item_texts(items) if text in set(texts)]
    assert histories.shape == (24, len(texts)) and set(histories.data) == {1}
    kinds = dict(zip(item_texts(items), items["category"], strict=True))
    for row in histories:
        assert len({kinds[texts[column]] for column in row.indices}) == 1
    assert np.diff(histories.indptr).min() >= 5


def test_nobody_who_likes_anything_is_an_empty_table(tmp_path):
    items = garments()
    table = tabulate_likes(items, shoppers(items).iloc[:0])
    table.to_parquet(tmp_path / "taste.parquet")
    texts, histories = read_user_items(tmp_path / "taste.parquet")
    assert texts == [] and histories.shape == (0, 0)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 7)), max_size=30))
@settings(max_examples=30, deadline=None)
def test_taste_survives_its_file(tmp_path_factory, pairs):
    items = garments().iloc[:8]
    told = pd.DataFrame(
        [(f"u{user}", f"g{item}", 0, 1.0, "click") for user, item in pairs],
        columns=["user_id", "item_id", "timestamp", "weight", "kind"],
    )
    file = tmp_path_factory.mktemp("taste") / "taste.parquet"
    tabulate_likes(items, told).to_parquet(file)
    texts, histories = read_user_items(file)
    expected = {user: {item for other, item in pairs if other == user} for user, _ in pairs}
    expected = {user: liked for user, liked in expected.items() if len(liked) > 1}
    column = {text: number for number, text in enumerate(texts)}
    rows = [
        sorted(column[item_texts(items)[item]] for item in liked) for _, liked in sorted(expected.items())
    ]
    assert [sorted(row.indices.tolist()) for row in histories] == rows


def test_a_draw_is_of_items_liked_together_and_follows_torchs_chance(model, taste):
    loss = InteractionsLoss(model, *taste, FEW)
    torch.manual_seed(3)
    items, users = loss.draw_batch()
    again, _ = loss.draw_batch()
    torch.manual_seed(3)
    np.testing.assert_array_equal(items, loss.draw_batch()[0])
    assert not np.array_equal(items, again)
    assert len(items) == 8 and users.shape[1] == 8 and 1 <= len(users) <= 5
    assert (users.sum(dim=1) >= 2).all()


def test_holding_fewer_texts_at_once_changes_no_gradient(model, taste):
    found = []
    for at_once in (64, 3):
        torch.manual_seed(0)
        loss = InteractionsLoss(model, *taste, FEW.model_copy(update={"micro_batch_size": at_once}))()
        found.append([loss.detach()[None], *gradients(model, loss)])
    for whole, parts in zip(*found, strict=True):
        torch.testing.assert_close(whole, parts, rtol=1e-3, atol=1e-5)


def test_pairs_in_parts_give_the_loss_of_the_whole(model):
    texts = item_texts(garments())[:6]
    losses = []
    for at_once in (64, 2):
        features = [model.preprocess(texts), model.preprocess([text[:20] for text in texts])]
        chosen = FEW.model_copy(update={"micro_batch_size": at_once, "batch_size": 6})
        losses.append(float(pairs_loss(model, chosen)(features, None)))
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)


def test_vectors_are_trained_at_each_length_that_is_shorter():
    assert nested_lengths(FEW) == [384, 64, 32]
    assert nested_lengths(TextModelSettings(nested_dimensions=[])) == [512]


def test_a_weight_of_zero_leaves_a_loss_out(model, taste):
    features = [model.preprocess(["a"]), model.preprocess(["b"])]
    both = CombinedLoss(
        model, InteractionsLoss(model, *taste, FEW), FEW.model_copy(update={"interactions_weight": 0.5})
    )
    alone = CombinedLoss(
        model,
        InteractionsLoss(model, *taste, FEW),
        FEW.model_copy(update={"interactions_weight": 1.0, "pairs_weight": 0.0}),
    )
    torch.manual_seed(1)
    parts = both(features, None)
    torch.manual_seed(1)
    assert set(parts) == {"taste", "pairs"}
    assert float(parts["taste"]) == pytest.approx(0.5 * float(alone(features, None)["taste"]), abs=1e-6)


def test_the_recommenders_loss_brings_what_is_liked_together_nearer(small_encoder_folder, taste):
    texts, histories = taste
    model = open_model(str(small_encoder_folder))
    model.max_seq_length = 16
    loss = InteractionsLoss(model, texts, histories, TextModelSettings(dimensions=384, items_per_step=24))
    kinds = np.array([KINDS.index(next(kind for kind in KINDS if kind in text.lower())) for text in texts])
    same = (kinds[:, None] == kinds) & ~np.eye(len(kinds), dtype=bool)

    def contrast() -> float:
        vectors = TextEncoder(model).encode(texts)
        likeness = vectors @ vectors.T
        return float(likeness[same].mean() - likeness[kinds[:, None] != kinds].mean())

    before = contrast()
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-4)
    torch.manual_seed(0)
    for _ in range(4):
        model.train()
        optimiser.zero_grad()
        loss().backward()
        optimiser.step()
    assert contrast() > before + 0.1


def test_settings_that_leave_nothing_to_learn_from_are_refused(small_encoder_folder):
    nobody, chosen = sparse.csr_matrix((0, 2)), TextModelSettings(pairs_weight=0, interactions_weight=1)
    with pytest.raises(TextModelError, match="there is nothing to learn from"):
        choose_loss(open_model(str(small_encoder_folder)), ["a coat", "a hat"], nobody, chosen)
    with pytest.raises(ValueError, match="nested_dimensions"):
        TextModelSettings(nested_dimensions=[128, 0])
