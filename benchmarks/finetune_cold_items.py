"""Items that nobody has met, by texts trained with the recommender's loss: goodbooks, a fifth of the books hidden.

python benchmarks/finetune_cold_items.py --encoder data/packages/weights/all-mpnet-base-v2 --steps 120 --items 128 \\
    --words 32 --learning-rate 7e-5 --json benchmarks/results/finetune_cold_items.json

Trains in bfloat16 over weights in float32. A killed run goes on from its last checkpoint in .tandem.
"""

import json
import time
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import torch
import typer
from recommender_cold_items import METRICS, describe_books, drawn
from recommender_data import Split, read_interactions, split

from components.core.arrays import Csr, Floats, Indices
from components.core.compute import device_name
from components.core.content_cache import cache_key
from components.recommender.cold_start import evaluate_hidden_items
from components.recommender.metrics import evaluate_users
from components.recommender.settings import RecommenderSettings
from components.text_model.adapters import attach_adapters, merge_adapters
from components.text_model.encoder import TextEncoder, open_model
from components.text_model.losses import CombinedLoss, InteractionsLoss
from components.text_model.settings import TextModelSettings
from components.text_model.training import (
    BEST_FILE,
    load_trained,
    loss_table,
    mean_figure,
    train_model,
    validation_curve,
)

SEED = 0
SETTINGS = RecommenderSettings(
    dimensions=256, epochs=8, patience=8, batch_size=1024, learning_rate=0.03, seed=SEED
)
JUDGED_ITEMS = 1000


def shown_items(count: int) -> tuple[Indices, Indices]:
    """Items that training may see, and a tenth of them that only validation does; the others are hidden from both."""
    order = np.random.default_rng(SEED).permutation(np.flatnonzero(~drawn(count, SEED)))
    return order[len(order) // 10 :], order[: len(order) // 10]


def validate(model: Any, texts: list[str], users: Csr, shown: Indices, cold: Indices) -> dict[str, float]:
    """NDCG@100 of cold items for people of whom some items that were trained on are known."""
    known, found = shown[: JUDGED_ITEMS // 2], cold[: JUDGED_ITEMS // 2]
    vectors = TextEncoder(model).encode([texts[item] for item in [*known, *found]])
    tastes, likenesses = users[:, known] @ vectors[: len(known)], vectors[len(known) :]
    kept = np.flatnonzero((np.diff(users[:, known].indptr) > 0) & (np.diff(users[:, found].indptr) > 0))
    held_out = Csr(users[:, found][kept])
    scores = tastes[kept] @ likenesses.T
    values = evaluate_users(lambda _: scores, Csr(held_out - held_out), held_out, len(kept))
    return {"cold_ndcg_100": float(values["ndcg_100"].mean())}


def tune(
    model: Any, parts: Split, texts: list[str], work: Path, settings: TextModelSettings
) -> tuple[pd.DataFrame, list[float]]:
    """Train in place on the taste of training users and on the books' titles.

    Returns step and loss, and the validation figure before training and after each `validation_steps`.
    """
    shown, cold = shown_items(len(texts))
    told = [texts[item] for item in shown]
    pairs = pd.DataFrame({"anchor": [text.split(". ")[0] for text in told], "positive": told})
    if settings.method == "lora":
        attach_adapters(model, settings)
    loss = CombinedLoss(model, InteractionsLoss(model, told, Csr(parts.train[:, shown]), settings), settings)
    check = partial(validate, texts=texts, users=parts.validation, shown=shown, cold=cold)
    with torch.autocast(model.device.type, dtype=torch.bfloat16, cache_enabled=False):
        before = check(model)
        history = train_model(model, pairs, loss, check, before, work, settings)
    if (work / BEST_FILE).is_file():
        load_trained(model, work / BEST_FILE)
    if settings.method == "lora":
        merge_adapters(model)
    curve = validation_curve(history, mean_figure(before))
    typer.echo(f"validation NDCG@100 {curve[0]:.4f} before, {max(curve):.4f} at its best")
    return loss_table(history), curve


def encoded(model: Any, texts: list[str]) -> Floats:
    """Vectors of the texts, in bfloat16 as they were trained."""
    with torch.autocast(model.device.type, dtype=torch.bfloat16):
        return TextEncoder(model).encode(texts, progress=True)


def vectors_of(model: Any, texts: list[str], file: Path) -> Floats:
    """Vectors of the texts, from a file where they have been written before."""
    if not file.is_file():
        file.parent.mkdir(parents=True, exist_ok=True)
        np.save(file, encoded(model, texts))
    found: Floats = np.load(file)
    return found


def main(
    encoder: Annotated[Path, typer.Option(help="Folder of a Sentence-Transformers model")],
    steps: int = 60,
    items: Annotated[int, typer.Option(help="Items a step")] = 128,
    words: Annotated[int, typer.Option(help="Word pieces of a text that are read")] = 64,
    method: str = "full",
    learning_rate: float = 1e-4,
    pairs_weight: float = 0.0,
    patience: Annotated[int, typer.Option(help="Validations without a better figure that end it")] = 1,
    seed: Annotated[int, typer.Option(help="Of the training; the hidden books stay the same")] = 42,
    trial: Annotated[bool, typer.Option(help="Only train and validate")] = False,
    quick: Annotated[bool, typer.Option(help="Two steps, one epoch of ELSA")] = False,
    file: Annotated[Path | None, typer.Option("--json", help="Write the figures there")] = None,
) -> None:
    """Compare hidden books' ranking by texts as they were and by texts that learnt taste."""
    interactions = read_interactions("goodbooks", Path())
    parts = split(interactions.matrix)
    books = describe_books()
    texts = books.iloc[books.index.get_indexer(interactions.item_ids[parts.items])].tolist()
    model = open_model(str(next(encoder.rglob("modules.json")).parent))
    model.max_seq_length = words
    zero_shot = Path(f".tandem/goodbooks-{encoder.name}-{words}.npy")
    before = None if trial else vectors_of(model, texts, zero_shot)
    settings = TextModelSettings(
        seed=seed,
        dimensions=model.get_embedding_dimension(),
        maximum_tokens=words,
        method=method,
        learning_rate=learning_rate,
        batch_size=32,
        micro_batch_size=items,
        nested_dimensions=[],
        pairs_weight=pairs_weight,
        interactions_weight=1.0,
        items_per_step=items,
        users_per_step=4096,
        maximum_steps=2 if quick else steps,
        validation_steps=2 if quick else 30,
        patience=patience,
        checkpoint_steps=20,
    )
    torch.manual_seed(settings.seed)
    started, began = time.process_time(), time.monotonic()
    key = cache_key(settings.model_dump(), encoder.name)
    curve, validated = tune(model, parts, texts, Path(f".tandem/cold-items-{key}"), settings)
    seconds, wall = time.process_time() - started, time.monotonic() - began
    typer.echo(curve.iloc[:: max(1, len(curve) // 10)].to_string(index=False))
    typer.echo(f"{seconds:.0f} CPU s, {wall:.0f} s")
    if before is None:
        return
    chosen = SETTINGS.model_copy(update={"epochs": 1}) if quick else SETTINGS
    reports = {
        name: evaluate_hidden_items(
            parts.train, parts.validation, parts.test, content, drawn(len(texts), SEED), chosen
        )
        for name, content in {
            "zero_shot": before,
            "tuned": encoded(model, texts),
        }.items()
    }
    for name, report in reports.items():
        for way in ("text", "map"):
            figures = "  ".join(f"{metric} {report[f'{way}_{metric}']:.4f}" for metric in METRICS)
            typer.echo(f"{name:<10}{way:<6}{figures}")
    if file:
        told = {
            "encoder": encoder.name,
            "device": device_name(),
            "training_cpu_seconds": round(seconds),
            "training_seconds": round(wall),
            "validation_ndcg_100": [round(figure, 4) for figure in validated],
            "items": len(texts),
        }
        told |= {"settings": settings.model_dump(exclude={"model"}), "loss": curve.to_dict("list")} | reports
        file.write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    typer.run(main)
