"""Finetune SBERT to fewer dimensions: in-batch negatives (Henderson et al., 2017) over a head that starts as a PCA."""

import json
import tempfile
from typing import Any

import numpy as np
import pandas as pd
import torch

from components.language.encoder import Encoder, Vectors, open_model
from components.language.measures import mrr
from components.language.settings import LanguageError, LanguageSettings
from components.packages.resolve import resolve
from components.stage import Counts, Input, Output, stage

HEAD_TEXTS = 1000
VALIDATED = 300


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


def validation_mrr(model: Any, pairs: pd.DataFrame) -> float:
    """MRR@10 of finding each validation pair's text among all of theirs."""
    asked = pairs[pairs["part"] == "validation"].drop_duplicates("anchor").head(VALIDATED)
    if asked.empty:
        return 0.0
    texts = np.unique(asked["positive"].to_numpy(dtype=object))
    encoder = Encoder(model)
    scores: Vectors = encoder.encode(asked["anchor"].tolist()) @ encoder.encode(list(texts)).T
    return mrr(
        scores, (asked["positive"].to_numpy(dtype=object)[:, None] == texts[None, :]).astype(np.float32), 10
    )


def adapt(model: Any, settings: LanguageSettings) -> None:
    """Leave only adapters (LoRA, Hu et al., 2021) and the head to train.

    Raises LanguageError where qlora has no GPU.
    """
    if settings.method == "full":
        return
    if settings.method == "qlora" and not torch.cuda.is_available():
        raise LanguageError(
            "method is qlora, which needs a GPU and bitsandbytes. Set lora in conf/language.yaml."
        )
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(r=settings.lora_rank, lora_alpha=2 * settings.lora_rank, target_modules="all-linear")
    model[0].model = get_peft_model(model[0].model, config)


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


def merge(model: Any) -> None:
    """Fold adapters into the weights, so that what is saved is a plain model."""
    body = model[0].model
    if hasattr(body, "merge_and_unload"):
        model[0].model = body.merge_and_unload()


@stage(LanguageSettings, tracked=True)
def main(
    pairs: Input, weights: Input, model: Output, metrics: Output, plot: Output, settings: LanguageSettings
) -> Counts:
    """Finetune, and save whichever of before and after is better on validation pairs."""
    import mlflow

    table = pd.read_parquet(pairs)
    base = open_model(resolve(settings.model, weights))
    base.max_seq_length = settings.maximum_tokens
    texts = table["positive"].drop_duplicates()
    sample = texts.sample(min(HEAD_TEXTS, len(texts)), random_state=settings.seed).tolist()
    torch.manual_seed(settings.seed)
    tuned = with_head(base, sample, settings.dimensions)
    tuned.max_seq_length = settings.maximum_tokens
    before = validation_mrr(tuned, table)
    tuned.save(str(model), create_model_card=False)
    losses = pd.DataFrame({"step": [0], "loss": [0.0]})
    after = before
    if settings.maximum_steps and (table["part"] == "train").sum() >= 2:
        adapt(tuned, settings)
        losses = train(tuned, table, settings)
        merge(tuned)
        after = validation_mrr(tuned, table)
        if after > before:
            tuned.save(str(model), create_model_card=False)
    losses.to_csv(plot, index=False)
    for row in losses.to_dict("records"):
        mlflow.log_metric("loss", row["loss"], step=int(row["step"]))
    figures: dict[str, Any] = {
        "validation_mrr_10_before": round(before, 6),
        "validation_mrr_10": round(max(before, after), 6),
        "finetuned_is_kept": int(after > before),
    }
    metrics.write_text(json.dumps(figures, indent=1) + "\n")
    return figures


if __name__ == "__main__":
    main.cli()
