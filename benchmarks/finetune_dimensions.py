"""Three ways to shorter vectors, on the same pairs: a head that is trained, the same head left as a PCA, and the first numbers alone.

python benchmarks/finetune_dimensions.py --model data/packages/weights/all-mpnet-base-v2 \\
    --json benchmarks/results/finetune_dimensions.json
"""

import json
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import pandas as pd
import torch
import typer

from components.text_model.adapters import attach_adapters
from components.text_model.finetune import prepare_model, validate_pairs
from components.text_model.losses import nested_lengths, pairs_loss
from components.text_model.settings import TextModelSettings
from components.text_model.training import best_figures, mean_figure, train_model

WAYS = ("head", "pca", "truncation")


def shortened(way: str, name: str, pairs: pd.DataFrame, work: Path, settings: TextModelSettings) -> Any:
    """A model whose vectors have the settings' length."""
    model, _ = prepare_model(name, pairs, work, settings)
    if way == "head":
        return model
    if way == "pca":
        model[-2].requires_grad_(False)
        return model
    from sentence_transformers import SentenceTransformer

    whole = SentenceTransformer(name, device=str(model.device), truncate_dim=settings.dimensions)
    whole.max_seq_length = settings.maximum_tokens
    return whole


def at_lengths(model: Any, pairs: pd.DataFrame, settings: TextModelSettings) -> dict[str, float]:
    """MRR@10 over the kinds with vectors cut to each length."""
    figures = {}
    for length in nested_lengths(settings):
        model.truncate_dim = length
        figures[str(length)] = mean_figure(validate_pairs(model, pairs, settings))
    model.truncate_dim = settings.dimensions
    return figures


def main(
    model: Annotated[Path, typer.Option(help="Folder of a Sentence-Transformers model")],
    pairs: Annotated[Path, typer.Option(help="Pairs that the stage of that name wrote")] = Path(
        "data/text_model/pairs.parquet"
    ),
    steps: int = 20,
    dimensions: int = 512,
    quick: Annotated[bool, typer.Option(help="Two steps of eight pairs")] = False,
    file: Annotated[Path | None, typer.Option("--json", help="Write the figures there")] = None,
) -> None:
    """Validate each way before and after the same training of adapters."""
    settings = TextModelSettings(
        dimensions=dimensions,
        nested_dimensions=[dimensions // 4],
        batch_size=8 if quick else 32,
        maximum_steps=2 if quick else steps,
        validation_steps=1000,
        checkpoint_steps=1000,
        validation_queries=30 if quick else 90,
    )
    table, reports = pd.read_parquet(pairs), {}
    training = table.loc[table["part"] == "train", ["anchor", "positive"]]
    judge = partial(at_lengths, pairs=table, settings=settings)
    for way in WAYS:
        with TemporaryDirectory() as folder:
            chosen = shortened(way, str(model), table, Path(folder), settings)
            torch.manual_seed(settings.seed)
            attach_adapters(chosen, settings)
            before = judge(chosen)
            history = train_model(
                chosen, training, pairs_loss(chosen, settings), judge, before, Path(folder), settings
            )
        after = best_figures(history)
        reports[way] = {"before": before, "after": after}
        typer.echo(f"{way:<12}before {before}  after {after}")
    if file:
        told = {"model": model.name, "settings": settings.model_dump(exclude={"model"}), "ways": reports}
        file.write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    typer.run(main)
