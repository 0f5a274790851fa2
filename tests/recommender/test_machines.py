"""ELSA over several machines gives what one gives."""

import mlflow
import numpy as np
import pandas as pd
import pytest
import yaml

from components.core.arrays import Csr
from components.core.compute import ComputeSettings
from components.recommender import train
from components.recommender.elsa import RecommenderError
from components.recommender.factors import ItemFactors
from components.recommender.settings import RecommenderSettings
from components.recommender.train import fit
from tests.machines import torchrun

SOME = {"dimensions": 8, "epochs": 3, "batch_size": 20, "neighbours": 5}


@pytest.mark.slow
def test_two_machines_that_torchrun_joins_write_once_what_one_machine_writes(project, tmp_path):
    (tmp_path / "recommender.yaml").write_text(yaml.safe_dump(SOME))
    inputs = project / "catalogue", project / "split.parquet"
    one, two = (tmp_path / name for name in ("one", "two"))
    tracking = f"sqlite:///{tmp_path / 'mlflow.db'}"
    mlflow.set_tracking_uri(tracking)
    train.main(*inputs, one / "elsa", one / "elsa.csv", settings=RecommenderSettings(**SOME))
    torchrun(
        tracking, "components.recommender.train", *inputs, two / "elsa", two / "elsa.csv",
        "--conf", tmp_path / "recommender.yaml",
    )  # fmt: skip
    alone, together = (pd.read_csv(folder / "elsa.csv") for folder in (one, two))
    np.testing.assert_allclose(alone["loss"], together["loss"], atol=1e-4)
    factors = [ItemFactors.load(folder / "elsa").matrix for folder in (one, two)]
    np.testing.assert_allclose(factors[0], factors[1], atol=1e-3)
    assert sorted(path.name for path in two.iterdir()) == ["elsa", "elsa.csv"]
    runs = mlflow.search_runs(experiment_names=["recommender"])
    assert len(runs) == 2, "one run a training, not one a process"
    np.testing.assert_allclose(runs["metrics.loss"], together["loss"].iloc[-1], atol=1e-4)


@pytest.mark.slow
def test_a_loss_that_is_no_number_ends_all_processes_with_one_message():
    users = Csr(np.full((8, 4), np.nan, np.float32))
    settings = RecommenderSettings(dimensions=2, epochs=1)
    with pytest.raises(RecommenderError, match="the loss is nan"):
        fit(users, users[:0], settings, None, ComputeSettings(kind="gpus", devices=2))
