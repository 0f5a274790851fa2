"""What language learns from: each kind of pair, and that nothing held out is ever trained on."""

import random
from dataclasses import dataclass

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.catalogue.held_out import hidden_items
from components.catalogue.implicit_feedback import select_positives
from components.catalogue.tables import cast_columns
from components.search.item_text import item_texts, lowercase_text
from components.text_model import training_pairs
from components.text_model.evaluate import judged_queries, known_item_queries
from components.text_model.settings import TextModelSettings
from components.text_model.training_pairs import (
    assign_part,
    attribute_pairs,
    collect_pairs,
    interaction_pairs,
    query_pairs,
    title_pairs,
)
from tests.text_model.conftest import KINDS, garments, judged, shoppers

SETTINGS = TextModelSettings()


@dataclass(frozen=True)
class Tables:
    items: pd.DataFrame
    interactions: pd.DataFrame
    queries: pd.DataFrame
    judgements: pd.DataFrame


@pytest.fixture(scope="module")
def tables() -> Tables:
    items = garments()
    return Tables(items, shoppers(items), *judged(items))


def test_a_title_belongs_to_its_items_text(tables):
    made = list(title_pairs(tables.items))
    assert len(made) == 72
    assert made[3] == {
        "anchor": "Sandals 3 for women",
        "positive": item_texts(tables.items)[3],
        "kind": "title",
        "item_id": "g3",
    }


def test_attributes_are_asked_for_in_words_that_the_item_has(tables):
    texts = dict(zip(tables.items["item_id"], item_texts(tables.items), strict=True))
    for pair in attribute_pairs(tables.items, random.Random(0)):
        assert pair["positive"] == texts[pair["item_id"]]
        for word in pair["anchor"].split():
            assert word in pair["positive"].lower()
            assert word not in ("all", "year")


def test_interaction_pairs_join_what_one_user_liked_in_turn(tables):
    kind_of = dict(zip(item_texts(tables.items), tables.items["category"], strict=True))
    liked = select_positives(tables.interactions, minimum_rating=4)
    made = list(interaction_pairs(tables.items, liked, random.Random(0)))
    assert len(made) == 24 * training_pairs.MAX_NEIGHBOURS
    assert {kind_of[pair["anchor"]] for pair in made} == set(KINDS)
    assert all(kind_of[pair["anchor"]] == kind_of[pair["positive"]] for pair in made)


def test_only_good_answers_teach_queries(tables):
    made = list(query_pairs(tables.items, tables.queries, tables.judgements))
    assert len(made) == 72
    assert all(word in pair["positive"].lower() for pair in made for word in pair["anchor"].split())


def test_no_held_out_query_is_trained_on_under_any_kind(tables):
    """Attribute pairs make "red raincoat" too: held out as a query, it may not be trained on as attributes."""
    table = collect_pairs(tables.items, tables.interactions, tables.queries, tables.judgements, SETTINGS)
    asked = judged_queries(tables.queries, tables.judgements, SETTINGS.held_out_share)
    held_out = {lowercase_text(text) for text in asked.loc[asked["part"] != "train", "text"]}
    trained = {lowercase_text(anchor) for anchor in table.loc[table["part"] == "train", "anchor"]}
    assert held_out and not held_out & trained
    assert set(table["kind"]) == {"title", "attribute", "taste", "query"}


def test_no_held_out_title_is_trained_on_where_nobody_judged(tables):
    table = collect_pairs(
        tables.items, tables.interactions, tables.queries.iloc[:0], tables.judgements.iloc[:0], SETTINGS
    )
    asked = known_item_queries(table)
    held_out = {lowercase_text(text) for text in asked.loc[asked["part"] != "train", "text"]}
    trained = {lowercase_text(anchor) for anchor in table.loc[table["part"] == "train", "anchor"]}
    assert held_out and not held_out & trained
    assert set(asked["part"]) == {"train", "validation", "test"}


def test_pairs_are_the_same_every_time_and_capped(tables):
    few = TextModelSettings(maximum_pairs=10)
    made = [
        collect_pairs(tables.items, tables.interactions, tables.queries, tables.judgements, few)
        for _ in range(2)
    ]
    pd.testing.assert_frame_equal(*made)
    assert made[0]["kind"].value_counts().max() == 10


@given(st.text(), st.floats(0.01, 0.99))
def test_a_text_never_changes_sides(text, share):
    part = assign_part(text, share)
    assert assign_part(f" {text.upper()} " if text.isascii() else text, share) == part
    if part != "train":
        assert assign_part(text, (share + 1) / 2) != "train"


def test_the_parts_are_as_large_as_the_share():
    parts = pd.Series([assign_part(f"text {number}", 0.4) for number in range(5000)]).value_counts() / 5000
    assert parts["train"] == pytest.approx(0.6, abs=0.03)
    assert parts["test"] == pytest.approx(0.2, abs=0.03)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xyz"), st.integers(0, 3)), max_size=12))
def test_whatever_the_judgements_anchors_are_on_one_side_and_pairs_are_not_repeated(rows):
    items = cast_columns(
        "items",
        pd.DataFrame(
            {"item_id": list("xyz"), "title": list("abz"), "text": "", "available": True, "attributes": "{}"}
        ),
    )
    asked = [(query, item, grade) for query, item, grade in rows]
    judgements = cast_columns("judgements", pd.DataFrame(asked, columns=["query_id", "item_id", "grade"]))
    queries = cast_columns(
        "queries", pd.DataFrame({"query_id": list("abc"), "text": list("abc"), "user_id": None})
    )
    nobody = cast_columns(
        "interactions", pd.DataFrame(columns=["user_id", "item_id", "timestamp", "weight", "kind"])
    )
    table = collect_pairs(items, nobody, queries, judgements, SETTINGS)
    assert (table.groupby("anchor")["part"].nunique() == 1).all()
    assert not table.duplicated(["kind", "anchor", "positive"]).any()
    assert (table["anchor"] != table["positive"]).all()


def test_the_stage_teaches_taste_from_training_users_and_items_that_are_not_hidden(shop, tmp_path):
    files = tmp_path / "pairs.parquet", tmp_path / "taste.parquet"
    counts = training_pairs.main(
        shop / "catalogue", shop / "descriptions.parquet", shop / "split.parquet", *files, settings=SETTINGS
    )
    table = pd.read_parquet(tmp_path / "pairs.parquet")
    assert list(table) == training_pairs.COLUMNS
    assert counts == table["kind"].value_counts().to_dict()
    training = shoppers(garments())
    training = training[training["user_id"].isin([f"u{user}" for user in range(16)])]
    assert set(table.loc[table["kind"] == "taste", "item_id"]) <= set(training["item_id"])
    items = garments()
    hidden = items[hidden_items(items["item_id"])]
    assert 0 < len(hidden) < len(items)
    taste = table[table["kind"] == "taste"]
    assert not set(taste["anchor"]) & set(item_texts(hidden))
    assert not set(taste["positive"]) & set(item_texts(hidden))
    assert not set(pd.read_parquet(tmp_path / "taste.parquet")["text"]) & set(item_texts(hidden))
    assert set(hidden["item_id"]) <= set(table.loc[table["kind"] == "title", "item_id"])
