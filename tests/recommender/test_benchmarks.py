"""The benchmarks run as the docs write them, and judge on users and items that the training has not met."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from components.core.arrays import Csr

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "benchmarks"))
from recommender_data import SHARED, split  # noqa: E402


def test_the_split_shares_no_user_and_leaves_no_item_without_training():
    draw = np.random.default_rng(0)
    matrix = Csr(
        (draw.random((200, 40)) < 0.2).astype(np.float32) * np.arange(1, 201, dtype=np.float32)[:, None]
    )
    parts = split(matrix)
    users = [set(part.data) for part in (parts.train, parts.validation, parts.test)]
    assert not users[0] & users[1] and not users[0] & users[2] and not users[1] & users[2]
    assert len(users[1]) == len(users[2]) > 10
    assert (parts.train.sum(axis=0) > 0).all()
    np.testing.assert_array_equal(parts.test.toarray() > 0, matrix[:, parts.items][
        [int(row[row > 0][0]) - 1 for row in parts.test.toarray()]].toarray() > 0)  # fmt: skip


@pytest.mark.slow
@pytest.mark.shared_data
@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the shared data sets beside the project")
def test_a_quick_comparison_writes_every_models_figures(tmp_path):
    file = tmp_path / "figures.json"
    command = [
        sys.executable,
        "benchmarks/recommender.py",
        "--data",
        "onlineretail",
        "--quick",
        "--json",
        str(file),
    ]
    subprocess.run([*command, "--models", "popularity,ELSA"], cwd=ROOT, check=True, capture_output=True)
    subprocess.run([*command, "--models", "item-kNN"], cwd=ROOT, check=True, capture_output=True)
    report = json.loads(file.read_text())
    assert list(report["models"]) == ["popularity", "ELSA", "item-kNN"]
    for row in report["models"].values():
        mean, low, high = row["ndcg_100"]
        assert 0 < low < mean < high < 1
        assert row["peak_rss_mb"] > 0 and row["share_of_items_x_items"] < 0.2


@pytest.mark.slow
def test_a_table_in_parts_is_trained_on_and_its_factors_answer_through_the_index_as_exactly(tmp_path):
    scale, answer = tmp_path / "scale.json", tmp_path / "answer.json"
    small = [
        "--users",
        "2000",
        "--items",
        "600",
        "--rows",
        "40000",
        "--dimensions",
        "16",
        "--batch-size",
        "50",
    ]
    for command in (
        [
            "benchmarks/recommender_scale.py",
            *small,
            "--keep",
            str(tmp_path / "factors"),
            "--json",
            str(scale),
        ],
        ["benchmarks/recommender_answer.py", "--factors", str(tmp_path / "factors"), "--json", str(answer)],
    ):
        subprocess.run([sys.executable, *command], cwd=ROOT, check=True, capture_output=True)
    trained, answered = json.loads(scale.read_text()), json.loads(answer.read_text())
    assert 0.9 * trained["rows"] > trained["pairs"] > 0.5 * trained["rows"]
    assert trained["loss_at_end"] < trained["loss_at_start"]
    assert (answered["items"], answered["dimensions"]) == (600, 16)
    assert answered["factors"]["recall_10"] > 0.95
