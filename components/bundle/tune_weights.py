"""Choose how much a person's taste and popularity count beside language, on people that no training has seen.

Half of the people ask for a kind: something that an item they have hidden from us says of itself ("comedy", "linen"), and
all hidden items that say it too are right. Language finds what says it; taste and popularity have to tell which of them.
The others ask for a hidden item by its title, which taste must not push aside.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tqdm import tqdm

from components.bundle.settings import BundleSettings
from components.catalogue.settings import DEFAULTS, CatalogueSettings
from components.catalogue.tables import interaction_parts, read_items
from components.core.linear_algebra import unit_rows
from components.core.ranking_metrics import bootstrap_interval, ndcg
from components.core.stage import Counts, Input, Output, stage
from components.recommender.factors import ItemFactors
from components.recommender.interaction_matrix import Csr, collect_parts, hold_out, rows_with_items
from components.search.bm25 import BM25Index, hybrid
from components.search.item_text import attributes_of, matched_texts
from components.text_model.encoder import TextEncoder

Scores = NDArray[np.float32]
HIDDEN_SHARE, ASKED = 0.3, 10


@dataclass(frozen=True)
class ValidationQuery:
    """A person's query and the evidence on every item, (i,) each; what is not known of them, and what is right."""

    language: Scores
    taste: Scores
    unknown: NDArray[np.bool_]
    right: NDArray[np.bool_]


def queries(items: pd.DataFrame, held_out: Csr, seed: int) -> list[tuple[int, str, NDArray[np.int64]]]:
    """A query of each person (u, i): row, text, and the hidden items that are right; every other one asks by title."""
    draw = np.random.default_rng(seed)
    asked = []
    for row in range(held_out.shape[0]):
        hidden = held_out.indices[held_out.indptr[row] : held_out.indptr[row + 1]]
        said = {int(item): _values(items.iloc[item]) for item in hidden}
        kinds = sorted(set().union(*said.values()))
        if row % 2 or not kinds:
            item = hidden[int(draw.integers(0, len(hidden)))]
            asked.append((row, str(items["title"].iloc[item]), np.array([item])))
        else:
            kind = kinds[int(draw.integers(0, len(kinds)))]
            asked.append((row, kind.lower(), np.array([item for item, held in said.items() if kind in held])))
    return asked


def _values(item: "pd.Series[Any]") -> set[str]:
    return {value for held in attributes_of(item.to_dict()).values() for value in held}


def quality(
    asked: Sequence[ValidationQuery], popularity: Scores, taste_weight: float, popularity_weight: float
) -> list[float]:
    """NDCG@10 of each query by the weighted evidence."""
    found = []
    for one in asked:
        scores = one.language + taste_weight * one.taste + popularity_weight * popularity
        scores = np.where(one.unknown, scores, -np.inf)
        near = np.argpartition(-scores, min(ASKED, len(scores) - 1))[:ASKED]
        first = near[np.lexsort((near, -scores[near]))]
        ideal = np.ones(min(ASKED, int(one.right.sum())))
        found.append(float(ndcg(one.right[first].astype(float), ideal)))
    return found


def choose(
    asked: Sequence[ValidationQuery], popularity: Scores, settings: BundleSettings
) -> tuple[float, float]:
    """The weights of best mean NDCG@10, the smallest of equal ones; where nobody asks, the smallest there are."""
    pairs = sorted(product(settings.taste_weights, settings.popularity_weights))
    if not asked:
        return pairs[0]
    return max(pairs, key=lambda pair: round(float(np.mean(quality(asked, popularity, *pair))), 9))


@stage(BundleSettings)
def main(
    catalogue: Input,
    split: Input,
    model: Input,
    item_vectors: Input,
    item_factors: Input,
    search: Input,
    weights: Output,
    settings: BundleSettings,
    catalogue_settings: CatalogueSettings = DEFAULTS,
) -> Counts:
    """Choose on validation people; measure on test people, beside language alone."""
    items = read_items(catalogue)
    factors, texts = ItemFactors.load(item_factors), np.load(item_vectors)
    popularity = factors.relative_popularity
    people = pd.read_parquet(split)
    acts = collect_parts(
        interaction_parts(catalogue), items["item_id"].tolist(), catalogue_settings.minimum_rating
    )
    encoder, lexical = TextEncoder.load(model), BM25Index.build(matched_texts(items))
    weight = float(json.loads(search.read_text())["hybrid_weight"])

    def ask(part: str) -> list[ValidationQuery]:
        users = acts.of([str(user) for user in people.loc[people["part"] == part, "user_id"]])
        history, held_out = rows_with_items(
            *hold_out(users[: settings.validation_users], HIDDEN_SHARE, settings.seed)
        )
        asked = queries(items, held_out, settings.seed)
        vectors = encoder.encode([text for _, text, _ in asked])
        evidence = []
        for (row, text, right), vector in tqdm(zip(asked, vectors, strict=True), total=len(asked), desc=part):
            known = history[[row]]
            unknown, fits = np.ones(len(items), bool), np.zeros(len(items), bool)
            unknown[known.indices], fits[right] = False, True
            language = hybrid(lexical.scores(text), texts @ vector, weight).astype(np.float32)
            taste = factors.matrix @ unit_rows(known @ factors.matrix)[0]
            evidence.append(ValidationQuery(language, taste, unknown, fits))
        return evidence

    chosen = choose(ask("validation"), popularity, settings)
    test = ask("test")
    report: dict[str, float] = {
        "taste_weight": chosen[0],
        "popularity_weight": chosen[1],
        "test_queries": len(test),
    }
    if test:
        for name, pair in (("language", (0.0, 0.0)), ("fused", chosen)):
            found = np.array(quality(test, popularity, *pair))
            low, high = bootstrap_interval(found, settings.bootstrap_samples, settings.seed)
            report |= {
                f"{name}_ndcg_10": round(float(found.mean()), 6),
                f"{name}_ndcg_10_low": round(low, 6),
                f"{name}_ndcg_10_high": round(high, 6),
            }
    weights.write_text(json.dumps(report, indent=2) + "\n")
    return report


if __name__ == "__main__":
    main.cli()
