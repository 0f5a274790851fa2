"""Finetune SBERT to fewer dimensions: in-batch negatives (Henderson et al., 2017) over a head that starts as a PCA."""

import json
import tempfile
from typing import Any

import numpy as np
import pandas as pd
import torch

from components.language.adapters import Adapters, check_method, open_quantised
from components.language.encoder import Encoder, open_model
from components.language.measures import mrr
from components.language.settings import LanguageError, LanguageSettings
from components.packages.resolve import resolve
from components.stage import Counts, Input, Output, stage

HEAD_TEXTS = 1000


def with_head(model: Any, texts: list[str], dimensions: int) -> Any:
    """Put a dense head on a model that keeps the main directions of some texts' vectors, so that it is of use at once."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import Dense, Normalize

    vectors = Encoder(model).encode(texts, progress=True)
    width = vectors.shape[1]
    if dimensions > width:
        raise LanguageError(
            f"dimensions is {dimensions}, but the model has {width}. Lower it in conf/language.yaml."
        )
    _, directions = np.linalg.eigh(vectors.T @ vectors)
    head = Dense(width, dimensions, bias=False, activation_function=torch.nn.Identity())
    with torch.no_grad():
        head.linear.weight.copy_(torch.from_numpy(directions[:, ::-1][:, :dimensions].T.copy()))
    body = [module for module in model if not isinstance(module, Normalize)]
    return SentenceTransformer(modules=[*body, head, Normalize()], device=str(model.device))


def validate(model: Any, pairs: pd.DataFrame, settings: LanguageSettings) -> dict[str, float]:
    """MRR@10 a kind of pair: finding what fits some held-out anchors among the texts of all of these."""
    held_out = pairs[pairs["part"] == "validation"]
    most = settings.validation_queries // max(held_out["kind"].nunique(), 1)
    figures = {}
    for kind, known in held_out.groupby("kind", sort=True):
        asked = known.drop_duplicates("anchor")
        asked = asked.sample(min(max(most, 1), len(asked)), random_state=settings.seed)
        anchors, texts = asked["anchor"].tolist(), sorted(asked["positive"].unique())
        fitting = set(zip(known["anchor"], known["positive"], strict=True))
        fits = np.array([[(anchor, text) in fitting for text in texts] for anchor in anchors], np.float32)
        encoder = Encoder(model)
        figures[str(kind)] = mrr(encoder.encode(anchors) @ encoder.encode(texts).T, fits, 10)
    return figures


def train(model: Any, pairs: pd.DataFrame, settings: LanguageSettings) -> pd.DataFrame:
    """Train in place; returns step and loss."""
    from datasets import Dataset
    from sentence_transformers import SentenceTransformerTrainer, SentenceTransformerTrainingArguments
    from sentence_transformers.losses import MultipleNegativesRankingLoss
    from sentence_transformers.training_args import BatchSamplers

    training = pairs.loc[pairs["part"] == "train", ["anchor", "positive"]]
    with tempfile.TemporaryDirectory() as folder:
        arguments = SentenceTransformerTrainingArguments(
            output_dir=folder,
            max_steps=settings.maximum_steps,
            per_device_train_batch_size=settings.batch_size,
            learning_rate=settings.learning_rate,
            warmup_steps=max(1, settings.maximum_steps // 10),
            batch_sampler=BatchSamplers.NO_DUPLICATES,
            seed=settings.seed,
            logging_steps=1,
            save_strategy="no",
            report_to="none",
            bf16=torch.cuda.is_available(),
        )
        data = Dataset.from_pandas(training, preserve_index=False)
        trainer = SentenceTransformerTrainer(
            model, arguments, train_dataset=data, loss=MultipleNegativesRankingLoss(model)
        )
        trainer.train()
    logged = [entry for entry in trainer.state.log_history if "loss" in entry]
    return pd.DataFrame([{"step": entry["step"], "loss": round(entry["loss"], 6)} for entry in logged])


def mean(figures: dict[str, float]) -> float:
    """Mean over the kinds, 0 where there are none."""
    return round(sum(figures.values()) / max(len(figures), 1), 6)


def finetune(model: Any, pairs: pd.DataFrame, name: str, settings: LanguageSettings) -> pd.DataFrame:
    """Train everything, or adapters and the head, in place; returns step and loss."""
    if settings.method == "full":
        return train(model, pairs, settings)
    adapters = Adapters(model, settings)
    adapters.attach(open_quantised(name)[0].model if settings.method == "qlora" else model[0].model)
    losses = train(model, pairs, settings)
    adapters.fold()
    return losses


@stage(LanguageSettings, tracked=True)
def main(
    pairs: Input, weights: Input, model: Output, metrics: Output, plot: Output, settings: LanguageSettings
) -> Counts:
    """Finetune, and save whichever of before and after is better on validation pairs, kinds counted alike."""
    import mlflow

    check_method(settings)
    table = pd.read_parquet(pairs)
    name = resolve(settings.model, weights)
    texts = table["positive"].drop_duplicates()
    sample = texts.sample(min(HEAD_TEXTS, len(texts)), random_state=settings.seed).tolist()
    torch.manual_seed(settings.seed)
    base = open_model(name)
    base.max_seq_length = settings.maximum_tokens
    tuned = with_head(base, sample, settings.dimensions)
    tuned.max_seq_length = settings.maximum_tokens
    tuned.save(str(model), create_model_card=False)
    before = validate(tuned, table, settings)
    after, losses = before, pd.DataFrame(columns=["step", "loss"])
    if settings.maximum_steps and (table["part"] == "train").sum() >= 2:
        losses = finetune(tuned, table, name, settings)
        after = validate(tuned, table, settings)
    kept = mean(after) > mean(before)
    if kept:
        tuned.save(str(model), create_model_card=False)
    losses.to_csv(plot, index=False)
    for row in losses.to_dict("records"):
        mlflow.log_metric("loss", row["loss"], step=int(row["step"]))
    figures: dict[str, float] = {
        "validation_mrr_10_before": mean(before),
        "validation_mrr_10": mean(after if kept else before),
        "finetuned_is_kept": int(kept),
        **{f"{kind}_mrr_10_before": round(value, 6) for kind, value in before.items()},
        **{f"{kind}_mrr_10_after": round(value, 6) for kind, value in after.items()},
    }
    metrics.write_text(json.dumps(figures, indent=1) + "\n")
    return figures


if __name__ == "__main__":
    main.cli()
