"""The finetuning benchmarks run in small."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from components.text_model import training_pairs
from components.text_model.settings import TextModelSettings

PROJECT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("finetune", marks=pytest.mark.slow),
        pytest.param("finetune_dimensions", marks=pytest.mark.endurance),
    ],
)
def test_a_benchmark_ends_with_its_figures(name, shop, small_encoder_folder, tmp_path):
    made = tmp_path / "pairs.parquet", tmp_path / "taste.parquet"
    training_pairs.main(
        shop / "catalogue",
        shop / "descriptions.parquet",
        shop / "split.parquet",
        *made,
        settings=TextModelSettings(),
    )
    subprocess.run(
        [
            sys.executable, f"benchmarks/{name}.py", "--model", small_encoder_folder, "--pairs", made[0],
            "--dimensions", "64", "--quick", "--json", tmp_path / "figures.json",
        ],
        cwd=PROJECT, env={"PYTHONPATH": str(PROJECT), "PATH": ""}, check=True,
    )  # fmt: skip
    figures = json.loads((tmp_path / "figures.json").read_text())
    if name == "finetune":
        methods = figures["methods"]
        assert methods["lora"]["trained_parameters"] < methods["full"]["trained_parameters"] / 10
        assert methods["lora"]["optimiser_mb"] < methods["full"]["optimiser_mb"] / 10
    else:
        assert set(figures["ways"]) == {"head", "pca", "truncation"}
