"""Finetuning that can be killed, stops early, learns taste, and takes any backbone."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from components.core.compute import LAPTOP, ComputeSettings
from components.text_model import finetune, training_pairs
from components.text_model.encoder import TextEncoder, open_model
from components.text_model.settings import TextModelSettings
from components.text_model.training import best_figures, last_checkpoint, loss_table
from components.text_model.user_item_matrix import read_user_items
from tests.machines import torchrun
from tests.text_model.conftest import garments
from tests.text_model.test_stages import FEW, files

PROJECT = Path(__file__).parents[2]
SOME = FEW | {"validation_queries": 40, "items_per_step": 12}


@pytest.fixture(scope="module", autouse=True)
def tracking(tmp_path_factory) -> str:
    uri = f"sqlite:///{tmp_path_factory.mktemp('tracking') / 'mlflow.db'}"
    mlflow.set_tracking_uri(uri)
    return uri


def finetuned(
    shop: Path, out: Path, model: Path, compute: ComputeSettings = LAPTOP, **changed: object
) -> dict[str, float]:
    """Pairs and finetune into `out`; returns what finetune measured."""
    settings = TextModelSettings(**(SOME | {"model": str(model)} | changed))
    inputs = out / "pairs.parquet", out / "taste.parquet"
    training_pairs.main(
        shop / "catalogue", shop / "descriptions.parquet", shop / "split.parquet", *inputs, settings=settings
    )
    outputs = out / "model", out / "finetune.json", out / "finetune.csv"
    finetune.main(*inputs, out, *outputs, settings=settings, compute=compute)
    return json.loads(outputs[1].read_text())


def results(out: Path) -> dict[str, bytes]:
    """All that finetuning wrote."""
    return files(out / "model") | {
        name: (out / name).read_bytes() for name in ("finetune.json", "finetune.csv")
    }


def child(out: Path, tracking: str, settings: dict[str, object]) -> subprocess.Popen[str]:
    """Finetune in another process on the pairs in `out`."""
    (out / "text_model.yaml").write_text(yaml.safe_dump(settings))
    paths = [out / name for name in ("pairs.parquet", "taste.parquet")] + [out]
    paths += [out / name for name in ("model", "finetune.json", "finetune.csv")]
    return subprocess.Popen(
        [sys.executable, "-m", "components.text_model.finetune", *paths, "--conf", out / "text_model.yaml"],
        cwd=PROJECT, env=os.environ | {"MLFLOW_TRACKING_URI": tracking},
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def step_reached(out: Path) -> int:
    """The step of the newest checkpoint that lies beside the model, whole or not."""
    steps = [int(folder.name.split("-")[1]) for folder in out.glob(".finetune-*/checkpoint-*")]
    return max(steps, default=0)


@pytest.mark.parametrize(
    ("method", "kills", "learning_rate"),
    [
        pytest.param("lora", 2, 3e-3, marks=pytest.mark.slow),
        pytest.param("full", 1, 1e-4, marks=pytest.mark.endurance),
    ],
)
def test_killed_at_any_moment_finetuning_goes_on_and_ends_with_the_same_bytes(
    method, kills, learning_rate, shop, small_encoder_folder, tracking, tmp_path
):
    settings = SOME | {
        "method": method, "learning_rate": learning_rate, "interactions_weight": 0.5,
        "maximum_steps": 9, "checkpoint_steps": 2, "validation_steps": 5,
    }  # fmt: skip
    whole, out = tmp_path / "whole", tmp_path / "killed"
    for folder in (whole, out):
        folder.mkdir()
    finetuned(shop, whole, small_encoder_folder, **settings)
    for name in ("pairs.parquet", "taste.parquet"):
        shutil.copy(whole / name, out)
    settings |= {"model": str(small_encoder_folder)}
    chance, reached = random.Random(1), []
    for _ in range(kills):
        running = child(out, tracking, settings)
        until = step_reached(out) + chance.randint(1, 3)
        while running.poll() is None and step_reached(out) < until:
            time.sleep(0.01)
        time.sleep(chance.random() / 2)
        running.send_signal(signal.SIGKILL)
        running.communicate()
        reached.append(step_reached(out))
        assert not (out / "model").exists()
    assert 0 < reached[0] <= reached[-1] < 9 and len(set(reached)) == kills
    assert child(out, tracking, settings).wait() == 0
    assert results(out) == results(whole)
    assert not list(out.glob(".finetune-*")) and not list(out.glob(".part-*"))
    assert pd.read_csv(out / "finetune.csv")["step"].tolist() == list(range(1, 10))


def test_a_half_written_checkpoint_is_not_gone_on_from(tmp_path):
    for step, whole in ((2, True), (10, True), (12, False)):
        (tmp_path / f"checkpoint-{step}").mkdir()
        if whole:
            (tmp_path / f"checkpoint-{step}" / "whole").touch()
    assert last_checkpoint(tmp_path) == tmp_path / "checkpoint-10"
    assert not (tmp_path / "checkpoint-12").exists()
    assert last_checkpoint(tmp_path / "nothing") is None


def test_unfinished_work_of_other_settings_is_dropped_and_changes_nothing(
    shop, small_encoder_folder, tmp_path
):
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
    (second / ".finetune-other" / "checkpoint-4").mkdir(parents=True)
    for folder in (first, second):
        finetuned(shop, folder, small_encoder_folder, maximum_steps=2)
    assert results(first) == results(second)
    assert not list(second.glob(".finetune-*"))


def test_training_that_gains_no_more_ends_and_the_best_weights_are_kept(shop, small_encoder_folder, tmp_path):
    figures = finetuned(
        shop, tmp_path, small_encoder_folder, method="full", learning_rate=5e-3, maximum_steps=40,
        validation_steps=1, patience=2,
    )  # fmt: skip
    steps = len(pd.read_csv(tmp_path / "finetune.csv"))
    assert 2 <= steps < 40
    settings = TextModelSettings(**(SOME | {"model": str(small_encoder_folder)}))
    saved = open_model(str(tmp_path / "model"))
    measured = finetune.validate_pairs(saved, pd.read_parquet(tmp_path / "pairs.parquet"), settings)
    assert np.mean(list(measured.values())) == pytest.approx(figures["validation_mrr_10"], abs=1e-5)


def test_taste_changes_what_is_learnt_and_nobodys_taste_changes_nothing(shop, small_encoder_folder, tmp_path):
    first = {}
    for weight in (0.0, 1.0):
        out = tmp_path / str(weight)
        out.mkdir()
        finetuned(shop, out, small_encoder_folder, maximum_steps=2, interactions_weight=weight)
        first[weight] = pd.read_csv(out / "finetune.csv")["loss"]
    assert first[1.0][0] > first[0.0][0]


def test_hard_negatives_make_the_first_step_harder(shop, small_encoder_folder, tmp_path):
    first = {}
    for asked in (False, True):
        out = tmp_path / str(asked)
        out.mkdir()
        finetuned(shop, out, small_encoder_folder, maximum_steps=1, hard_negatives=asked)
        first[asked] = pd.read_csv(out / "finetune.csv")["loss"][0]
    assert first[True] > first[False]


def test_the_card_and_the_run_tell_what_the_model_learnt_from(shop, small_encoder_folder, tmp_path):
    finetuned(shop, tmp_path, small_encoder_folder, maximum_steps=2)
    card = (tmp_path / "model" / "README.md").read_text()
    front = yaml.safe_load(card.split("---")[1])
    assert front["base_model"] == small_encoder_folder.name
    tags = mlflow.search_runs(experiment_names=["text_model"], max_results=1).iloc[0]
    for name in ("pairs", "taste", "base"):
        assert tags[f"tags.{name}_sha256"] in card
    assert str(tmp_path) not in card and str(small_encoder_folder) not in card


def decoder(folder: Path, tokens: Path) -> Path:
    """A tiny causal model with last-token pooling and prompts, of random weights."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import Normalize, Pooling, Transformer
    from transformers import AutoTokenizer, Qwen2Config, Qwen2Model

    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(tokens)
    config = Qwen2Config(
        vocab_size=len(tokenizer), hidden_size=48, intermediate_size=96, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    Qwen2Model(config).save_pretrained(folder / "backbone")
    tokenizer.save_pretrained(folder / "backbone")
    backbone = Transformer(str(folder / "backbone"), max_seq_length=32)
    model = SentenceTransformer(
        modules=[backbone, Pooling(48, pooling_mode="lasttoken"), Normalize()],
        prompts={"shop": "Find in a shop: "}, default_prompt_name="shop", device="cpu",
    )  # fmt: skip
    model.save(str(folder / "model"))
    return folder / "model"


def test_a_decoder_with_last_token_pooling_and_a_prompt_is_finetuned_like_any_other(
    shop, small_encoder_folder, tmp_path
):
    figures = finetuned(
        shop, tmp_path, decoder(tmp_path, small_encoder_folder), dimensions=32, nested_dimensions=[16],
        interactions_weight=0.5, method="lora", maximum_steps=20,
    )  # fmt: skip
    assert figures["validation_mrr_10"] >= figures["validation_mrr_10_before"]
    encoder = TextEncoder.load(tmp_path / "model")
    assert encoder.model.default_prompt_name == "shop"
    assert not any("adapter" in name for name in files(tmp_path / "model"))
    texts = garments()["title"].tolist()
    prompted = encoder.model.encode(texts, prompt="", normalize_embeddings=True)
    assert not np.allclose(encoder.encode(texts), prompted, atol=1e-3)


def test_a_training_that_had_ended_when_it_was_killed_is_not_done_again(shop, small_encoder_folder, tmp_path):
    settings = TextModelSettings(**(SOME | {"model": str(small_encoder_folder), "validation_steps": 2}))
    inputs = tmp_path / "pairs.parquet", tmp_path / "taste.parquet"
    training_pairs.main(
        shop / "catalogue", shop / "descriptions.parquet", shop / "split.parquet", *inputs, settings=settings
    )
    told = (
        str(small_encoder_folder),
        pd.read_parquet(inputs[0]),
        read_user_items(inputs[1]),
        tmp_path,
        settings,
    )
    first = finetune.finetune_model(*told)
    kept = files(tmp_path)
    again = finetune.finetune_model(*told)
    assert files(tmp_path) == kept
    assert loss_table(again).equals(loss_table(first))
    assert best_figures(again) == best_figures(first)


@pytest.mark.slow
def test_two_processes_train_the_same_way_every_time_whether_on_one_machine_or_on_two(
    shop, small_encoder_folder, tmp_path, tracking, monkeypatch
):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # as torchrun has it: sums of more may round differently
    changed = {"interactions_weight": 0.5, "checkpoint_steps": 100}
    one, two = tmp_path / "one", tmp_path / "two"
    for folder in (one, two):
        folder.mkdir()
    together = ComputeSettings(kind="gpus", devices=2)
    with ProcessPoolExecutor(1, get_context("spawn")) as apart:
        told = shop, one, small_encoder_folder, together
        figures = apart.submit(finetuned, *told, **changed).result()
    assert figures["finetuned_is_kept"] == 1
    assert len(pd.read_csv(one / "finetune.csv")) == 6
    (two / "text_model.yaml").write_text(
        yaml.safe_dump(SOME | {"model": str(small_encoder_folder)} | changed)
    )
    inputs = one / "pairs.parquet", one / "taste.parquet", one
    outputs = two / "model", two / "finetune.json", two / "finetune.csv"
    torchrun(
        tracking, "components.text_model.finetune", *inputs, *outputs,
        "--conf", two / "text_model.yaml",
    )  # fmt: skip
    assert results(one) == results(two)
