"""Finetune SBERT to fewer dimensions on pairs of texts and on interactions, with a head that starts as a PCA."""

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
from components.text_model.adapters import attach_adapters, check_method, merge_adapters, quantize_backbone
from components.text_model.encoder import TextEncoder, open_model
from components.text_model.hard_negatives import mine_negatives
from components.text_model.losses import CombinedLoss, InteractionsLoss, pairs_loss
from components.text_model.model_card import render_card
from components.text_model.settings import TextModelError, TextModelSettings
from components.text_model.training import (
    BEST_FILE,
    Figures,
    History,
    best_figures,
    load_trained,
    loss_table,
    mean_figure,
    train_model,
)
from components.text_model.user_item_matrix import Csr, read_user_items

HEAD_TEXTS = 1000  # item texts that the PCA is taken of


def main_directions(model: Any, texts: list[str], dimensions: int) -> NDArray[np.float32]:
    """Return the directions in which the vectors of texts differ most, the main one first, (dimensions, width)."""
    vectors = TextEncoder(model).encode(texts, progress=True)
    width = vectors.shape[1]
    if dimensions > width:
        raise TextModelError(
            f"dimensions is {dimensions}, but the model has {width}. Lower it in conf/text_model.yaml."
        )
    _, directions = principal_directions(vectors.T @ vectors)
    return np.ascontiguousarray(directions[:, :dimensions].T, dtype=np.float32)


def add_head(model: Any, directions: NDArray[np.float32]) -> Any:
    """Return a model with a dense head that keeps these directions (dimensions, width) of its vectors."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import Dense, Normalize

    dimensions, width = directions.shape
    # Without bias and activation: the head is a rotation and a cut, so the model is of use before any training
    head = Dense(width, dimensions, bias=False, activation_function=torch.nn.Identity())
    with torch.no_grad():
        head.linear.weight.copy_(torch.from_numpy(directions))
    # The model's own normalisation goes: vectors are normalised after they are shortened
    body = [module for module in model if not isinstance(module, Normalize)]
    return SentenceTransformer(
        modules=[*body, head, Normalize()],
        device=str(model.device),
        prompts=model.prompts,
        default_prompt_name=model.default_prompt_name,
    )


def validate_pairs(model: Any, pairs: pd.DataFrame, settings: TextModelSettings) -> Figures:
    """Return MRR@10 of each kind of pair: anchors that find their texts among the texts of all drawn anchors."""
    held_out = pairs[pairs["part"] == "validation"]
    # Spread over the kinds: as many of every kind trebled the time of a validation on a CPU
    most = settings.validation_queries // max(held_out["kind"].nunique(), 1)
    encoder, figures = TextEncoder(model), {}
    for kind, known in held_out.groupby("kind", sort=True):
        drawn = known.drop_duplicates("anchor")
        drawn = drawn.sample(min(max(most, 1), len(drawn)), random_state=settings.seed)
        anchors, texts = drawn["anchor"].tolist(), sorted(drawn["positive"].unique())
        # From all pairs of the kind: an anchor fits several texts, also those that others were drawn for
        rows, columns = (
            pd.Index(anchors).get_indexer(known["anchor"]),
            pd.Index(texts).get_indexer(known["positive"]),
        )
        among = (rows >= 0) & (columns >= 0)
        fits = np.zeros((len(anchors), len(texts)), np.float32)
        fits[rows[among], columns[among]] = 1
        figures[str(kind)] = mean_reciprocal_rank(encoder.encode(anchors) @ encoder.encode(texts).T, fits, 10)
    return figures


def prepare_model(
    name: str, pairs: pd.DataFrame, work: Path, settings: TextModelSettings
) -> tuple[Any, Figures]:
    """Return the model with its head, and its figures before training; a run that goes on finds both in `work`."""
    # The adapters' first weights are drawn later by the same generator
    torch.manual_seed(settings.seed)
    model = open_model(name)
    model.max_seq_length = settings.maximum_tokens
    texts = pairs["positive"].drop_duplicates()
    texts = texts.sample(min(HEAD_TEXTS, len(texts)), random_state=settings.seed)
    cache = ArrayCache(work)
    head = cache.read_or_make(
        "head", lambda: {"directions": main_directions(model, texts.tolist(), settings.dimensions)}
    )
    tuned = add_head(model, head["directions"])
    tuned.max_seq_length = settings.maximum_tokens

    def validate() -> dict[str, NDArray[Any]]:
        return {kind: np.array(value) for kind, value in validate_pairs(tuned, pairs, settings).items()}

    before = cache.read_or_make("before", validate)
    return tuned, {kind: float(value) for kind, value in before.items()}


def select_training_texts(model: Any, pairs: pd.DataFrame, settings: TextModelSettings) -> pd.DataFrame:
    """Return anchors and positives of the training part, and negatives if they are asked for."""
    training = pairs.loc[pairs["part"] == "train", ["anchor", "positive"]]
    if not settings.hard_negatives:
        return training
    return mine_negatives(training, TextEncoder(model), settings.negative_margin, settings.seed)


def choose_loss(model: Any, texts: list[str], liked: Csr, settings: TextModelSettings) -> torch.nn.Module:
    """Return the loss of pairs, with the recommender's where it has a weight and users like items with texts.

    Raises TextModelError where neither loss counts.
    """
    if settings.interactions_weight and liked.shape[0]:
        return CombinedLoss(model, InteractionsLoss(model, texts, liked, settings), settings)
    if not settings.pairs_weight:
        raise TextModelError(
            "pairs_weight is 0, and interactions_weight is 0 or nobody likes an item: there is nothing to learn from. "
            "Set one of them in conf/text_model.yaml, or maximum_steps to 0."
        )
    return pairs_loss(model, settings)


def finetune_model(
    name: str, pairs: pd.DataFrame, likes: tuple[list[str], Csr], work: Path, settings: TextModelSettings
) -> History:
    """Train all weights, or adapters and the head; leave the best weights in `work`, and return what was logged.

    likes: texts of items, and which user likes which, as `read_user_items` gives them.
    """
    model, before = prepare_model(name, pairs, work, settings)
    # Negatives come from the full weights, so before these are quantised
    training = select_training_texts(model, pairs, settings)
    if settings.method == "qlora":
        quantize_backbone(model, name)
    if settings.method != "full":
        attach_adapters(model, settings)
    return train_model(
        model,
        training,
        loss=choose_loss(model, *likes, settings),
        validate=partial(validate_pairs, pairs=pairs, settings=settings),
        before=before,
        work=work,
        settings=settings,
    )


def load_finetuned(name: str, pairs: pd.DataFrame, work: Path, settings: TextModelSettings) -> Any:
    """Return the model with the best weights that `finetune_model` left, adapters merged into them."""
    # QLoRA's adapters too are merged into the full weights, so that what is saved needs no bitsandbytes
    model, _ = prepare_model(name, pairs, work, settings)
    if settings.method != "full":
        attach_adapters(model, settings)
    load_trained(model, work / BEST_FILE)
    if settings.method != "full":
        merge_adapters(model)
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
    """Finetune, and save the weights with the best mean figure on validation pairs, the first weights among them."""
    check_method(settings)
    table = pd.read_parquet(pairs)
    name = find_model(settings.model, weights)
    inputs = {"pairs": pairs, "taste": taste, "base": Path(name)}
    hashes = {kind: hash_paths([path]) for kind, path in inputs.items() if path.exists()}
    # All that the bits of the weights depend on, so that no run goes on from another's checkpoint
    devices = [compute.training_nodes, compute.training_devices]
    code = hash_imports("components.text_model.finetune")
    work = cache_folder(
        model, "finetune", cache_key(settings.model_dump(), devices, hashes, code, torch_runtime())
    )
    start, before = prepare_model(name, table, work, settings)
    if training_rank() == 0:
        start.save(str(model), create_model_card=False)
    del start  # training opens the model again, here or in other processes: one less in memory
    history = []
    if settings.maximum_steps and (table["part"] == "train").sum() >= 2:
        arguments = name, table, read_user_items(taste), work, settings
        history = run_distributed(compute, finetune_model, *arguments)
    after = best_figures(history) if history else before
    kept = mean_figure(after) > mean_figure(before)
    if kept:
        load_finetuned(name, table, work, settings).save(str(model), create_model_card=False)
    figures = compare_figures(before, after, kept)
    (model / "README.md").write_text(render_card(Path(name).name, kept, hashes, figures, settings))
    steps = loss_table(history)
    steps.to_csv(plot, index=False)
    metrics.write_text(json.dumps(figures, indent=1) + "\n")
    log_run(hashes, steps)
    shutil.rmtree(work)
    return figures


def compare_figures(before: Figures, after: Figures, kept: bool) -> dict[str, float]:
    """Return the validation figures before and after training, in the mean and by kind."""
    figures = {
        "validation_mrr_10_before": mean_figure(before),
        "validation_mrr_10": mean_figure(after if kept else before),
        "finetuned_is_kept": int(kept),
    }
    for name, by_kind in (("before", before), ("after", after)):
        for kind, value in by_kind.items():
            figures[f"{kind}_mrr_10_{name}"] = round(value, 6)
    return figures


def log_run(hashes: dict[str, str], steps: pd.DataFrame) -> None:
    """Log to the MLflow run what was read, and the loss of each step."""
    import mlflow

    mlflow.set_tags({f"{name}_sha256": value for name, value in hashes.items()})
    for row in steps.to_dict("records"):
        mlflow.log_metric("loss", row["loss"], step=int(row["step"]))


if __name__ == "__main__":
    main.cli()
