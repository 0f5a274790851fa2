"""Finetune SBERT to fewer dimensions, on pairs of texts and on taste, over a head that starts as a PCA."""

import json
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from components.core.compute import LAPTOP, ComputeSettings
from components.core.content_cache import ArrayCache, cache_folder, cache_key, torch_runtime
from components.core.content_hash import hash_imports, hash_paths
from components.core.distributed import run_distributed, training_rank
from components.core.linear_algebra import principal_directions
from components.core.ranking_metrics import mean_reciprocal_rank
from components.core.stage import Counts, Input, Output, stage
from components.pinned_packages.find_model import find_model
from components.text_model.adapters import attach, check_method, fold, quantise
from components.text_model.encoder import TextEncoder, open_model
from components.text_model.hard_negatives import mine
from components.text_model.losses import CombinedLoss, TasteLoss, pairs_loss
from components.text_model.model_card import card
from components.text_model.settings import TextModelError, TextModelSettings
from components.text_model.training import (
    BEST,
    Figures,
    History,
    best_figures,
    load_trained,
    losses,
    mean,
    train,
)
from components.text_model.user_item_matrix import Csr, read_taste

HEAD_TEXTS = 1000


def main_directions(model: Any, texts: list[str], dimensions: int) -> NDArray[np.float32]:
    """The directions in which some texts' vectors differ most, first the main one, (dimensions, width)."""
    vectors = TextEncoder(model).encode(texts, progress=True)
    width = vectors.shape[1]
    if dimensions > width:
        raise TextModelError(
            f"dimensions is {dimensions}, but the model has {width}. Lower it in conf/text_model.yaml."
        )
    _, directions = principal_directions(vectors.T @ vectors)
    return np.ascontiguousarray(directions[:, :dimensions].T, dtype=np.float32)


def with_head(model: Any, directions: NDArray[np.float32]) -> Any:
    """Put a dense head on a model that keeps these directions (dimensions, width) of its vectors."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import Dense, Normalize

    dimensions, width = directions.shape
    head = Dense(width, dimensions, bias=False, activation_function=torch.nn.Identity())
    with torch.no_grad():
        head.linear.weight.copy_(torch.from_numpy(directions))
    body = [module for module in model if not isinstance(module, Normalize)]
    return SentenceTransformer(
        modules=[*body, head, Normalize()],
        device=str(model.device),
        prompts=model.prompts,
        default_prompt_name=model.default_prompt_name,
    )


def validate(model: Any, pairs: pd.DataFrame, settings: TextModelSettings) -> Figures:
    """MRR@10 a kind of pair: finding what fits some held-out anchors among the texts of all of these."""
    held_out = pairs[pairs["part"] == "validation"]
    most = settings.validation_queries // max(held_out["kind"].nunique(), 1)
    encoder, figures = TextEncoder(model), {}
    for kind, known in held_out.groupby("kind", sort=True):
        asked = known.drop_duplicates("anchor")
        asked = asked.sample(min(max(most, 1), len(asked)), random_state=settings.seed)
        anchors, texts = asked["anchor"].tolist(), sorted(asked["positive"].unique())
        fitting = set(zip(known["anchor"], known["positive"], strict=True))
        fits = np.array([[(anchor, text) in fitting for text in texts] for anchor in anchors], np.float32)
        figures[str(kind)] = mean_reciprocal_rank(encoder.encode(anchors) @ encoder.encode(texts).T, fits, 10)
    return figures


def begin(name: str, pairs: pd.DataFrame, work: Path, settings: TextModelSettings) -> tuple[Any, Figures]:
    """The model with its head, and its figures before training; a run that goes on finds both in `work`."""
    torch.manual_seed(settings.seed)
    model = open_model(name)
    model.max_seq_length = settings.maximum_tokens
    texts = pairs["positive"].drop_duplicates()
    texts = texts.sample(min(HEAD_TEXTS, len(texts)), random_state=settings.seed)
    cache = ArrayCache(work)
    head = cache.read_or_make(
        "head", lambda: {"directions": main_directions(model, texts.tolist(), settings.dimensions)}
    )
    tuned = with_head(model, head["directions"])
    tuned.max_seq_length = settings.maximum_tokens
    before = cache.read_or_make(
        "before", lambda: {kind: np.array(value) for kind, value in validate(tuned, pairs, settings).items()}
    )
    return tuned, {kind: float(value) for kind, value in before.items()}


def lessons(model: Any, pairs: pd.DataFrame, settings: TextModelSettings) -> pd.DataFrame:
    """What training reads: anchors and positives, and negatives if they are asked for."""
    training = pairs.loc[pairs["part"] == "train", ["anchor", "positive"]]
    if not settings.hard_negatives:
        return training
    return mine(training, TextEncoder(model), settings.negative_margin, settings.seed)


def choose_loss(model: Any, texts: list[str], liked: Csr, settings: TextModelSettings) -> torch.nn.Module:
    """The loss of pairs, with the recommender's where it counts and people like items of which there are texts.

    Raises LanguageError where neither counts.
    """
    if settings.interactions_weight and liked.shape[0]:
        return CombinedLoss(model, TasteLoss(model, texts, liked, settings), settings)
    if not settings.pairs_weight:
        raise TextModelError(
            "pairs_weight is 0, and taste_weight is 0 or nobody likes an item: there is nothing to learn from. "
            "Set one of them in conf/text_model.yaml, or maximum_steps to 0."
        )
    return pairs_loss(model, settings)


def learn(
    name: str, pairs: pd.DataFrame, taste: tuple[list[str], Csr], work: Path, settings: TextModelSettings
) -> History:
    """Train everything, or adapters and the head; leave the best weights in `work`, give what was logged."""
    model, before = begin(name, pairs, work, settings)
    training = lessons(model, pairs, settings)
    if settings.method == "qlora":
        quantise(model, name)
    if settings.method != "full":
        attach(model, settings)
    loss = choose_loss(model, *taste, settings)
    judge = partial(validate, pairs=pairs, settings=settings)
    return train(model, training, loss, judge, before, work, settings)


def learnt(name: str, pairs: pd.DataFrame, work: Path, settings: TextModelSettings) -> Any:
    """The model with the best weights that `learn` left, adapters added into them."""
    model, _ = begin(name, pairs, work, settings)
    if settings.method == "full":
        load_trained(model, work / BEST)
        return model
    attach(model, settings)
    load_trained(model, work / BEST)
    fold(model)
    return model


@stage(TextModelSettings, tracked=True)
def main(
    pairs: Input,
    taste: Input,
    weights: Input,
    model: Output,
    metrics: Output,
    plot: Output,
    settings: TextModelSettings,
    compute: ComputeSettings = LAPTOP,
) -> Counts:
    """Finetune, and save the weights that were best on validation pairs, kinds counted alike; the first count too."""
    check_method(settings)
    table = pd.read_parquet(pairs)
    name = find_model(settings.model, weights)
    inputs = {"pairs": pairs, "taste": taste, "base": Path(name)}
    hashes = {kind: hash_paths([path]) for kind, path in inputs.items() if path.exists()}
    devices = [compute.training_nodes, compute.training_devices]
    code = hash_imports("components.text_model.finetune")
    key = cache_key(settings.model_dump(), devices, hashes, code, torch_runtime())
    work = cache_folder(model, "finetune", key)
    start, before = begin(name, table, work, settings)
    if training_rank() == 0:
        start.save(str(model), create_model_card=False)
    del start
    history = []
    if settings.maximum_steps and (table["part"] == "train").sum() >= 2:
        history = run_distributed(compute, learn, name, table, read_taste(taste), work, settings)
    after = best_figures(history) if history else before
    kept = mean(after) > mean(before)
    if kept:
        learnt(name, table, work, settings).save(str(model), create_model_card=False)
    figures = {
        "validation_mrr_10_before": mean(before),
        "validation_mrr_10": mean(after if kept else before),
        "finetuned_is_kept": int(kept),
        **{f"{kind}_mrr_10_before": round(value, 6) for kind, value in before.items()},
        **{f"{kind}_mrr_10_after": round(value, 6) for kind, value in after.items()},
    }
    (model / "README.md").write_text(card(Path(name).name, kept, hashes, figures, settings))
    losses(history).to_csv(plot, index=False)
    metrics.write_text(json.dumps(figures, indent=1) + "\n")
    track(hashes, losses(history))
    shutil.rmtree(work)
    return figures


def track(hashes: dict[str, str], steps: pd.DataFrame) -> None:
    """Tell the MLflow run what was read, and the loss of each step."""
    import mlflow

    mlflow.set_tags({f"{name}_sha256": value for name, value in hashes.items()})
    for row in steps.to_dict("records"):
        mlflow.log_metric("loss", row["loss"], step=int(row["step"]))


if __name__ == "__main__":
    main.cli()
