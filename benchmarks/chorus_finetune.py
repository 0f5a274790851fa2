"""SBERT finetuned on the judged shop of Chorus: on its catalogue, and on one half of the judged queries.

python benchmarks/chorus_finetune.py --half 0 [--seed 43] [--steps 600 --batch 128 --pairs 6000 --validation-steps 100]

Trains the model of which the queries of half 0 are asked, with those of half 1, and leaves it in .tandem/search. A killed
run goes on from its last checkpoint. With validations, which take a GPU, a third of half 1 is not trained on: its
NDCG@10 over the whole catalogue chooses the weights. By default the last weights are kept.
"""

import argparse
import hashlib
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import chorus
import numpy as np
import pandas as pd
import torch

from components.core.ranking_metrics import mean_ndcg
from components.search.item_text import item_texts
from components.text_model.adapters import attach_adapters, merge_adapters
from components.text_model.encoder import TextEncoder, open_model
from components.text_model.evaluate import grade_matrix
from components.text_model.finetune import add_head, main_directions
from components.text_model.losses import pairs_loss
from components.text_model.settings import TextModelSettings
from components.text_model.training import (
    BEST_FILE,
    Figures,
    load_trained,
    mean_figure,
    train_model,
    validation_curve,
)
from components.text_model.training_pairs import RELEVANT_GRADE, attribute_pairs, title_pairs

CACHE = Path(".tandem") / "search"
HEAD_TEXTS, CATALOGUE_PAIRS, NEVER = 1000, 650, 1000
SETTINGS = TextModelSettings(
    dimensions=512,
    maximum_tokens=32,
    nested_dimensions=[],
    batch_size=24,
    maximum_steps=120,
    validation_steps=NEVER,
    checkpoint_steps=20,
)


def half_of(query: str) -> int:
    """The half of the judged queries that a query is of."""
    return hashlib.sha256(query.encode()).digest()[0] % 2


def chooses(query: str) -> bool:
    """Whether a query is of the third that chooses weights, where they are chosen."""
    return hashlib.sha256(query.encode()).digest()[1] % 3 == 0


def lessons(items: pd.DataFrame, learnt: pd.DataFrame, count: int, seed: int) -> pd.DataFrame:
    """Anchors, positives and negatives: judged queries, and `count` titles and as many attributes of the catalogue.

    learnt: query, item_id, rating. A query's negative is an item that people found unfitting for it, where there is one.
    """
    chance = random.Random(seed)
    texts = dict(zip(items["item_id"], item_texts(items), strict=True))
    drawn = list(texts.values())
    learnt = learnt[learnt["item_id"].isin(texts)]
    unfitting = learnt[learnt["rating"] == 0].groupby("query")["item_id"].agg(list).to_dict()
    rows = [
        (row.query, texts[row.item_id], texts[chance.choice(unfitting[row.query])])
        if row.query in unfitting
        else (row.query, texts[row.item_id], chance.choice(drawn))
        for row in learnt[learnt["rating"] >= RELEVANT_GRADE].itertuples()
    ]
    told = [list(title_pairs(items)), list(attribute_pairs(items, chance))]
    rows += [
        (pair["anchor"], pair["positive"], chance.choice(drawn))
        for pairs in told
        for pair in chance.sample(pairs, min(count, len(pairs)))
    ]
    return pd.DataFrame(rows, columns=["anchor", "positive", "negative"]).drop_duplicates()


def judge_of(items: pd.DataFrame, half: int) -> Callable[[Any], Figures]:
    """NDCG@10, over the whole catalogue, of the queries of the other half that are not trained on."""
    judged = chorus.read_judged()
    aside = judged[(judged["text"].map(half_of) != half) & judged["text"].map(chooses)]
    (asked, grades), texts = grade_matrix(aside, items["item_id"]), item_texts(items)

    def judge(model: Any) -> Figures:
        encoder = TextEncoder(model)
        return {
            "ndcg_10": mean_ndcg(encoder.encode(asked) @ encoder.encode(texts, batch_size=256).T, grades, 10)
        }

    return judge


def with_shorter_vectors(model: Any, texts: list[str], seed: int) -> Any:
    """The model with a head that keeps the main directions of some of the texts."""
    drawn = np.random.default_rng(seed).permutation(len(texts))[:HEAD_TEXTS]
    directions = main_directions(model, [texts[row] for row in drawn], SETTINGS.dimensions)
    shortened = add_head(model, directions)
    shortened.max_seq_length = SETTINGS.maximum_tokens
    return shortened


def finetuned(
    base: Path, half: int, settings: TextModelSettings = SETTINGS, pairs: int = CATALOGUE_PAIRS
) -> Path:
    """Folder of the model of which the queries of a half are asked; trained where it is not there."""
    folder = CACHE / f"{base.name}-finetuned-{settings.seed}-{half}"
    if (folder / "modules.json").is_file():
        return folder
    items, ratings = chorus.read_items(), chorus.read_ratings()
    learnt = ratings[ratings["query"].map(half_of) != half]
    chosen = settings.validation_steps != NEVER
    judge: Callable[[Any], Figures] = judge_of(items, half) if chosen else lambda _: {"steps": 1.0}
    if chosen:
        learnt = learnt[~learnt["query"].map(chooses)]
    torch.manual_seed(settings.seed)
    model = open_model(str(base))
    model.max_seq_length = settings.maximum_tokens
    with torch.autocast("cpu", dtype=torch.bfloat16, cache_enabled=False):
        model = with_shorter_vectors(model, item_texts(items), settings.seed)
        before = judge(model) if chosen else {}
        attach_adapters(model, settings)
        work = CACHE / f"training-{settings.seed}-{half}"
        taught = lessons(items, learnt, pairs, settings.seed)
        history = train_model(model, taught, pairs_loss(model, settings), judge, before, work, settings)
    print(validation_curve(history, mean_figure(before)))
    load_trained(model, work / BEST_FILE)
    merge_adapters(model)
    model.save(str(folder), create_model_card=False)
    return folder


def main() -> None:
    """Train for one half of the queries."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=Path("data/packages/weights/all-mpnet-base-v2"))
    parser.add_argument("--half", type=int, choices=[0, 1], required=True)
    parser.add_argument("--seed", type=int, default=SETTINGS.seed)
    parser.add_argument("--steps", type=int, default=SETTINGS.maximum_steps)
    parser.add_argument("--batch", type=int, default=SETTINGS.batch_size, help="pairs a step")
    parser.add_argument("--pairs", type=int, default=CATALOGUE_PAIRS, help="titles, and as many attributes")
    parser.add_argument("--validation-steps", type=int, default=NEVER, help="steps between validations")
    given = parser.parse_args()
    told = {
        "seed": given.seed,
        "maximum_steps": given.steps,
        "batch_size": given.batch,
        "micro_batch_size": max(given.batch, SETTINGS.micro_batch_size),
        "validation_steps": given.validation_steps,
    }
    print(finetuned(given.model, given.half, SETTINGS.model_copy(update=told), given.pairs))


if __name__ == "__main__":
    main()
