"""SBERT finetuned on the judged shop of Chorus: on its catalogue, and on one half of the judged queries.

python benchmarks/chorus_finetune.py --half 0: trains the model of which the queries of half 0 are asked, with those of
half 1, and leaves it in .tandem/search. A killed run goes on from its last checkpoint.
"""

import argparse
import hashlib
import random
from pathlib import Path
from typing import Any

import chorus
import numpy as np
import pandas as pd
import torch

from components.language.adapters import attach, fold
from components.language.encoder import open_model
from components.language.finetune import main_directions, with_head
from components.language.losses import pairs_loss
from components.language.pairs import RELEVANT_GRADE, attribute_pairs, title_pairs
from components.language.settings import LanguageSettings
from components.language.text import item_texts
from components.language.training import BEST as BEST_WEIGHTS
from components.language.training import load_trained, train

CACHE = Path(".tandem") / "search"
HEAD_TEXTS, CATALOGUE_PAIRS = 1000, 650
SETTINGS = LanguageSettings(
    dimensions=512,
    maximum_tokens=32,
    nested_dimensions=[],
    batch_size=24,
    maximum_steps=120,
    validation_steps=1000,
    checkpoint_steps=20,
)


def half_of(query: str) -> int:
    """The half of the judged queries that a query is of."""
    return hashlib.sha256(query.encode()).digest()[0] % 2


def lessons(items: pd.DataFrame, judged: pd.DataFrame, half: int) -> pd.DataFrame:
    """Anchors, positives and negatives: the other half's judged queries, titles and attributes of the catalogue.

    judged: query, item_id, rating. A query's negative is an item that people found unfitting for it, where there is one.
    """
    chance = random.Random(SETTINGS.seed)
    texts = dict(zip(items["item_id"], item_texts(items), strict=True))
    drawn = list(texts.values())
    learnt = judged[(judged["query"].map(half_of) != half) & judged["item_id"].isin(texts)]
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
        for pair in chance.sample(pairs, CATALOGUE_PAIRS)
    ]
    return pd.DataFrame(rows, columns=["anchor", "positive", "negative"]).drop_duplicates()


def with_shorter_vectors(model: Any, texts: list[str]) -> Any:
    """The model with a head that keeps the main directions of some of the texts."""
    drawn = np.random.default_rng(SETTINGS.seed).permutation(len(texts))[:HEAD_TEXTS]
    directions = main_directions(model, [texts[row] for row in drawn], SETTINGS.dimensions)
    shortened = with_head(model, directions)
    shortened.max_seq_length = SETTINGS.maximum_tokens
    return shortened


def finetuned(base: Path, half: int) -> Path:
    """Folder of the model of which the queries of a half are asked; trained where it is not there."""
    folder = CACHE / f"{base.name}-finetuned-{half}"
    if (folder / "modules.json").is_file():
        return folder
    items = chorus.read_items()
    torch.manual_seed(SETTINGS.seed)
    model = open_model(str(base))
    model.max_seq_length = SETTINGS.maximum_tokens
    with torch.autocast("cpu", dtype=torch.bfloat16, cache_enabled=False):
        model = with_shorter_vectors(model, item_texts(items))
        attach(model, SETTINGS)
        work = CACHE / f"training-{half}"
        train(
            model,
            lessons(items, chorus.read_ratings(), half),
            pairs_loss(model, SETTINGS),
            lambda _: {"steps": 1.0},
            {},
            work,
            SETTINGS,
        )
    load_trained(model, work / BEST_WEIGHTS)
    fold(model)
    model.save(str(folder), create_model_card=False)
    return folder


def main() -> None:
    """Train for one half of the queries."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=Path("data/packages/weights/all-mpnet-base-v2"))
    parser.add_argument("--half", type=int, choices=[0, 1], required=True)
    given = parser.parse_args()
    print(finetuned(given.model, given.half))


if __name__ == "__main__":
    main()
