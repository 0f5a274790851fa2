"""Make pairs of texts that belong together, each kind by a pure function from tables to pairs."""

import random
from collections.abc import Iterator
from itertools import pairwise

import pandas as pd

from components.catalogue.cell_values import FITS_ALWAYS
from components.catalogue.held_out import hash_share, hidden_items, read_users
from components.catalogue.implicit_feedback import select_positives
from components.catalogue.settings import DEFAULTS, CatalogueSettings
from components.catalogue.tables import read_interactions, read_judgements, read_queries
from components.core.stage import Counts, Input, Output, stage
from components.enrichment.enriched_items import read_enriched_items
from components.search.item_text import item_texts, lowercase_text, read_attributes, read_description
from components.text_model.settings import TextModelSettings
from components.text_model.user_item_matrix import tabulate_likes

COLUMNS = ["anchor", "positive", "kind", "part", "item_id"]
RELEVANT_GRADE = 2
MAX_NEIGHBOURS = 3  # of a user, so that long histories do not outweigh the others
MAX_VALUES = 3  # attribute values in one anchor
Pair = dict[str, str]


def title_pairs(items: pd.DataFrame) -> Iterator[Pair]:
    """Yield each item's title with its whole text."""
    for item, text in zip(items.to_dict("records"), item_texts(items), strict=True):
        yield _make_pair(str(item["title"]), text, kind="title", item_id=str(item["item_id"]))


def attribute_pairs(items: pd.DataFrame, chance: random.Random) -> Iterator[Pair]:
    """Yield what a person would type to find an item by its attributes, with the item's text."""
    for item, text in zip(items.to_dict("records"), item_texts(items), strict=True):
        values: list[str] = []
        for name, given in read_attributes(item).items():
            # Nobody searches for "all year"
            values += [value for value in given if value != FITS_ALWAYS.get(name)]
        if values:
            words = chance.sample(values, min(len(values), chance.randint(1, MAX_VALUES)))
            yield _make_pair(" ".join(words).lower(), text, kind="attribute", item_id=str(item["item_id"]))


def interaction_pairs(
    items: pd.DataFrame, interactions: pd.DataFrame, chance: random.Random
) -> Iterator[Pair]:
    """Yield the texts of items that the same user liked one after the other.

    interactions: those that count as liking.
    """
    texts = dict(zip(items["item_id"], item_texts(items), strict=True))
    # By item too, because interactions of the same second have no order
    ordered = interactions.sort_values(["timestamp", "item_id"])
    for _, history in ordered.groupby("user_id", sort=True):
        steps = list(pairwise(history["item_id"]))
        for item, following in chance.sample(steps, min(MAX_NEIGHBOURS, len(steps))):
            yield _make_pair(texts[item], texts[following], kind="taste", item_id=item)


def query_pairs(items: pd.DataFrame, queries: pd.DataFrame, judgements: pd.DataFrame) -> Iterator[Pair]:
    """Yield judged queries with the texts of the items that answer them well."""
    texts = dict(zip(items["item_id"], item_texts(items), strict=True))
    good = judgements[judgements["grade"] >= RELEVANT_GRADE].merge(queries, on="query_id")
    for query, item in zip(good["text"], good["item_id"], strict=True):
        yield _make_pair(str(query), texts[str(item)], kind="query", item_id=str(item))


def wish_pairs(items: pd.DataFrame) -> Iterator[Pair]:
    """Yield the wishes that a language model wrote for each item, with the item's text (Mint; Mysore et al., 2023)."""
    for item, text in zip(items.to_dict("records"), item_texts(items), strict=True):
        for wish in read_description(item).get("wishes", []):
            yield _make_pair(wish, text, kind="wish", item_id=str(item["item_id"]))


def held_out_wishes(items: pd.DataFrame) -> pd.DataFrame:
    """Return the wishes that no text and no training has seen: text, item_id."""
    rows = []
    for item in items.to_dict("records"):
        wish = read_description(item).get("held_out_wish")
        if wish:
            rows.append((wish, str(item["item_id"])))
    return pd.DataFrame(rows, columns=["text", "item_id"]).astype("str")


def _make_pair(anchor: str, positive: str, kind: str, item_id: str) -> Pair:
    return {"anchor": anchor, "positive": positive, "kind": kind, "item_id": item_id}


def assign_part(text: str, held_out_share: float) -> str:
    """Return the part that a text belongs to: train, validation or test."""
    # By a hash of the text and not by chance, so that it stays on one side in every kind of pair and in every run
    position = hash_share(lowercase_text(text))
    if position < held_out_share / 2:
        return "test"
    return "validation" if position < held_out_share else "train"


def collect_pairs(
    items: pd.DataFrame,
    interactions: pd.DataFrame,
    queries: pd.DataFrame,
    judgements: pd.DataFrame,
    settings: TextModelSettings,
) -> pd.DataFrame:
    """Return all pairs without repetitions, at most `maximum_pairs` of a kind: anchor, positive, kind, part, item_id.

    The part is the anchor's, so that no query or title on which search is measured is trained on under another kind.
    """
    chance = random.Random(settings.seed)
    kinds = [
        title_pairs(items),
        attribute_pairs(items, chance),
        interaction_pairs(items, interactions, chance),
        query_pairs(items, queries, judgements),
        wish_pairs(items),
    ]
    tables = []
    # One kind after the other, because two of them draw from the same generator
    for pairs in kinds:
        # Named columns: a kind without any pair has them too
        table = pd.DataFrame(list(pairs), columns=["anchor", "positive", "kind", "item_id"]).astype("str")
        table = table.drop_duplicates(["anchor", "positive"])
        table = table[table["anchor"] != table["positive"]]
        if len(table) > settings.maximum_pairs:
            table = table.sample(settings.maximum_pairs, random_state=settings.seed).sort_index()
        tables.append(table)
    table = pd.concat(tables, ignore_index=True)
    table["part"] = [assign_part(anchor, settings.held_out_share) for anchor in table["anchor"]]
    return table[COLUMNS]


@stage(TextModelSettings)
def main(
    catalogue: Input,
    descriptions: Input,
    split: Input,
    pairs: Output,
    user_item_matrix: Output,
    settings: TextModelSettings,
    catalogue_settings: CatalogueSettings = DEFAULTS,
) -> Counts:
    """Write the pairs, and which user likes which text."""
    items = read_enriched_items(catalogue, descriptions)
    interactions = select_positives(read_interactions(catalogue), catalogue_settings.minimum_rating)
    # Training users, and items that are not hidden when cold start is measured: both would leak into the recommender's
    # evaluation through the text vectors
    training = read_users(split, "train")
    visible = items.loc[~hidden_items(items["item_id"]), "item_id"]
    interactions = interactions[
        interactions["user_id"].isin(training) & interactions["item_id"].isin(visible)
    ]
    table = collect_pairs(
        items,
        interactions,
        queries=read_queries(catalogue),
        judgements=read_judgements(catalogue),
        settings=settings,
    )
    table.to_parquet(pairs, index=False)
    tabulate_likes(items, interactions).to_parquet(user_item_matrix, index=False)
    counts: Counts = table["kind"].value_counts().to_dict()
    return counts


if __name__ == "__main__":
    main.cli()
