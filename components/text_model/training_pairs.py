"""Pairs of texts that belong together, each kind a pure function from tables to pairs."""

import random
from collections.abc import Iterator
from itertools import pairwise

import pandas as pd

from components.catalogue.cell_values import FITS_ALWAYS
from components.catalogue.held_out import hash_share, hidden_items, read_users
from components.catalogue.implicit_feedback import liked
from components.catalogue.settings import DEFAULTS, CatalogueSettings
from components.catalogue.tables import read_interactions, read_items, read_judgements, read_queries
from components.core.stage import Counts, Input, Output, stage
from components.search.item_text import attributes_of, clean, item_texts
from components.text_model.settings import TextModelSettings
from components.text_model.user_item_matrix import likers

COLUMNS = ["anchor", "positive", "kind", "part", "item_id"]
RELEVANT_GRADE = 2
NEIGHBOURS = 3
Pair = dict[str, str]


def title_pairs(items: pd.DataFrame) -> Iterator[Pair]:
    """An item's title and its whole text."""
    for item, text in zip(items.to_dict("records"), item_texts(items), strict=True):
        yield {
            "anchor": str(item["title"]),
            "positive": text,
            "kind": "title",
            "item_id": str(item["item_id"]),
        }


def attribute_pairs(items: pd.DataFrame, chance: random.Random) -> Iterator[Pair]:
    """What a person would type to find an item by its attributes, and the item's text."""
    for item, text in zip(items.to_dict("records"), item_texts(items), strict=True):
        values = [
            value
            for name, said in attributes_of(item).items()
            for value in said
            if value != FITS_ALWAYS.get(name)
        ]
        if values:
            words = chance.sample(values, min(len(values), chance.randint(1, 3)))
            yield {
                "anchor": " ".join(words).lower(),
                "positive": text,
                "kind": "attribute",
                "item_id": str(item["item_id"]),
            }


def taste_pairs(items: pd.DataFrame, interactions: pd.DataFrame, chance: random.Random) -> Iterator[Pair]:
    """Items that the same person took one after the other: what language learns from taste."""
    texts = dict(zip(items["item_id"], item_texts(items), strict=True))
    ordered = interactions.sort_values(["timestamp", "item_id"])
    for _, history in ordered.groupby("user_id", sort=True):
        ids = history["item_id"].tolist()
        steps = list(pairwise(ids))
        for item, following in chance.sample(steps, min(NEIGHBOURS, len(steps))):
            yield {
                "anchor": texts[item],
                "positive": texts[following],
                "kind": "taste",
                "item_id": item,
            }


def query_pairs(items: pd.DataFrame, queries: pd.DataFrame, judgements: pd.DataFrame) -> Iterator[Pair]:
    """Judged queries and the items that answer them well."""
    texts = dict(zip(items["item_id"], item_texts(items), strict=True))
    good = judgements[judgements["grade"] >= RELEVANT_GRADE].merge(queries, on="query_id")
    for row in good.itertuples():
        yield {
            "anchor": str(row.text),
            "positive": texts[str(row.item_id)],
            "kind": "query",
            "item_id": str(row.item_id),
        }


def part_of(text: str, held_out_share: float) -> str:
    """Which part a text belongs to, by a hash of it: in every kind of pair and every run it stays on one side."""
    drawn = hash_share(clean(text))
    if drawn < held_out_share / 2:
        return "test"
    return "validation" if drawn < held_out_share else "train"


def collect(
    items: pd.DataFrame,
    interactions: pd.DataFrame,
    queries: pd.DataFrame,
    judgements: pd.DataFrame,
    settings: TextModelSettings,
) -> pd.DataFrame:
    """All pairs, without repetitions, at most `maximum_pairs` of a kind.

    The part is the anchor's, so that no query or title on which search is measured is ever trained on under
    another kind. Returns anchor, positive, kind, part, item_id.
    """
    chance = random.Random(settings.seed)
    kinds = [
        list(title_pairs(items)),
        list(attribute_pairs(items, chance)),
        list(taste_pairs(items, interactions, chance)),
        list(query_pairs(items, queries, judgements)),
    ]
    kept = []
    for pairs in kinds:
        frame = pd.DataFrame(pairs, columns=[column for column in COLUMNS if column != "part"]).astype("str")
        frame = frame.drop_duplicates(["anchor", "positive"])
        frame = frame[frame["anchor"] != frame["positive"]]
        if len(frame) > settings.maximum_pairs:
            frame = frame.sample(settings.maximum_pairs, random_state=settings.seed).sort_index()
        kept.append(frame)
    table = pd.concat(kept, ignore_index=True)
    table["part"] = [part_of(anchor, settings.held_out_share) for anchor in table["anchor"]]
    return table[COLUMNS]


@stage(TextModelSettings)
def main(
    catalogue: Input,
    split: Input,
    pairs: Output,
    user_item_matrix: Output,
    settings: TextModelSettings,
    catalogue_settings: CatalogueSettings = DEFAULTS,
) -> Counts:
    """Write the pairs, and who likes which text.

    Taste is learnt from training users and from items that are not hidden when cold start is measured.
    """
    items = read_items(catalogue)
    interactions = liked(read_interactions(catalogue), catalogue_settings.minimum_rating)
    training = read_users(split, "train")
    met = items.loc[~hidden_items(items["item_id"]), "item_id"]
    interactions = interactions[interactions["user_id"].isin(training) & interactions["item_id"].isin(met)]
    table = collect(
        items,
        interactions,
        read_queries(catalogue),
        read_judgements(catalogue),
        settings,
    )
    table.to_parquet(pairs, index=False)
    likers(items, interactions).to_parquet(user_item_matrix, index=False)
    return {str(kind): int(count) for kind, count in table["kind"].value_counts().items()}


if __name__ == "__main__":
    main.cli()
