"""The three stages on real files: what they learn, what they write, and what they do with nothing."""

import json
import shutil
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest

from components.recommender import cold_start, evaluate, train
from components.recommender.factors import ItemFactors
from components.recommender.interaction_matrix import read_interaction_matrix
from components.recommender.settings import RecommenderError, RecommenderSettings

SETTINGS = RecommenderSettings(
    dimensions=8, epochs=30, patience=5, batch_size=20, bootstrap_samples=50, learning_rate=0.1
)


def run(project: Path, out: Path) -> Path:
    mlflow.set_tracking_uri(f"sqlite:///{out / 'mlflow.db'}")
    catalogue, split = project / "catalogue", project / "split.parquet"
    elsa = out / "elsa"
    train.main(catalogue, split, elsa, out / "elsa.csv", settings=SETTINGS)
    cold_start.main(
        catalogue, split, elsa, project / "text.npy", project / "films.parquet", out / "item_factors",
        out / "cold_start.json", settings=SETTINGS,
    )  # fmt: skip
    evaluate.main(
        catalogue, split, elsa, out / "test_users.parquet", out / "recommender.json",
        out / "recommender.csv", settings=SETTINGS,
    )  # fmt: skip
    return out


@pytest.fixture(scope="module")
def done(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(project, tmp_path_factory.mktemp("done"))


def test_elsa_beats_popularity_on_users_it_has_never_seen(done):
    report = json.loads((done / "recommender.json").read_text())
    assert report["test_users"] == 15
    assert report["ndcg_100"] > 1.5 * report["popularity_ndcg_100"]
    assert report["ndcg_100_low"] <= report["ndcg_100"] <= report["ndcg_100_high"]
    assert report["last_ndcg_100_low"] <= report["last_ndcg_100"] <= report["last_ndcg_100_high"]
    assert report["short_history_users"] + report["long_history_users"] == 15
    assert 0 < report["coverage"] <= 1 and report["novelty_bits"] > 0 and report["popularity_lift"] > 0
    assert pd.read_csv(done / "recommender.csv")["model"].tolist() == [
        "ELSA and sparse part",
        "ELSA alone",
        "popularity",
    ]
    assert list(pd.read_csv(done / "elsa.csv")) == ["epoch", "validation_ndcg_100", "loss"]


def test_test_users_keep_their_history_apart_from_what_is_held_out(done):
    users = pd.read_parquet(done / "test_users.parquet")
    assert list(users) == ["user_id", "history", "held_out", "ndcg_100"]
    for row in users.itertuples():
        assert len(row.history) == 8 and len(row.held_out) == 2
        assert not set(row.history) & set(row.held_out)


def test_new_items_get_the_factors_of_their_kind_from_their_text(done):
    factors = ItemFactors.load(done / "item_factors")
    assert factors.item_ids.tolist() == [f"i{number}" for number in range(63)]
    assert np.flatnonzero(factors.cold).tolist() == [60, 61, 62]
    lengths = np.linalg.norm(factors.matrix, axis=1)
    chosen = json.loads((done / "cold_start.json").read_text())["cold_length"]
    np.testing.assert_allclose(lengths, np.where(factors.cold, chosen, 1), rtol=1e-5)
    for taste in range(3):
        scores = factors.scores(factors.user_vector([f"i{20 * taste + item}" for item in range(5)]))
        assert scores[60:].argmax() == taste
    report = json.loads((done / "cold_start.json").read_text())
    assert report["map_ndcg_100"] > 1.3 * report["popularity_ndcg_100"]
    assert report["cold_items"] == 3


def test_guesses_that_tell_nothing_are_kept_short_so_that_they_do_not_crowd_out_what_is_known(project, done):
    elsa = ItemFactors.load(done / "elsa")
    users = read_interaction_matrix(project / "catalogue", minimum_rating=4.0).matrix[:, :60]
    taste = np.load(project / "text.npy")[:60]
    nothing = np.random.default_rng(2).normal(size=taste.shape).astype(np.float32)
    telling, empty = (
        cold_start.choose_length(elsa, content, users, 1.0, SETTINGS) for content in (taste, nothing)
    )
    assert empty < telling


def test_the_same_inputs_make_the_same_bytes(project, done, tmp_path):
    again = run(project, tmp_path)
    for name in ("elsa/factors.safetensors", "item_factors/factors.safetensors", "test_users.parquet",
                 "recommender.json", "cold_start.json", "elsa.csv"):  # fmt: skip
        assert (again / name).read_bytes() == (done / name).read_bytes(), name


def test_a_catalogue_without_interactions_goes_through_by_text_alone(project, tmp_path):
    bare = tmp_path / "bare"
    shutil.copytree(project, bare)
    nobody = pd.read_parquet(bare / "catalogue" / "interactions.parquet").iloc[:0]
    nobody.to_parquet(bare / "catalogue" / "interactions.parquet")
    pd.read_parquet(bare / "split.parquet").iloc[:0].to_parquet(bare / "split.parquet")
    out = run(bare, tmp_path)
    assert len(ItemFactors.load(out / "elsa").item_ids) == 0
    factors = ItemFactors.load(out / "item_factors")
    assert factors.cold.all() and factors.popularity.sum() == 0
    assert factors.scores(factors.user_vector(["i0"]))[60:].argmax() == 0
    assert json.loads((out / "recommender.json").read_text())["test_users"] == 0


def test_a_history_of_strangers_and_nothing_says_nothing(done):
    factors = ItemFactors.load(done / "item_factors")
    assert not factors.user_vector(["nobody knows"]).any()
    assert not factors.user_vector([]).any()
    twice = factors.user_vector(["i0", "i1"], [2.0, 0.0])
    np.testing.assert_allclose(twice, 2 * factors.user_vector(["i0"]))


def test_factors_that_do_not_fit_their_items_are_refused(done, tmp_path):
    shutil.copytree(done / "elsa", tmp_path / "elsa")
    items = pd.read_parquet(tmp_path / "elsa" / "items.parquet")
    items.iloc[:-1].to_parquet(tmp_path / "elsa" / "items.parquet")
    with pytest.raises(RecommenderError, match="60 factors for 59 items"):
        ItemFactors.load(tmp_path / "elsa")
    with pytest.raises(RecommenderError, match=r"factors\.safetensors is missing"):
        ItemFactors.load(tmp_path)
