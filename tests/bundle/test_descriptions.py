"""What a language model wrote of an item: shown, searched, filtered by, and kept while the catalogue says the same."""

import json
from pathlib import Path

import pandas as pd
import pytest

from components.bundle.bundle import Bundle
from components.bundle.live_updates import ItemPut, LiveUpdates
from components.bundle.query import Query
from components.bundle.searcher import Searcher


@pytest.fixture
def own_bundle(bundle_folder: Path) -> Bundle:
    """The bundle of the made-up shop, loaded anew: a test may change it."""
    return Bundle.load(bundle_folder)


def record_of(bundle: Bundle, item_id: str) -> dict:
    row = bundle.items.row_of(item_id)
    assert row is not None
    return dict(bundle.items.rows_as_put(pd.array([row]).to_numpy())[0])


def put(bundle: Bundle, item: dict) -> None:
    updates = LiveUpdates(bundle)
    updates.apply(ItemPut(item, updates.vectors_for([item])[0]))


def as_put(item: dict, **changed: object) -> dict:
    """The item as a shop puts it: it knows of no description."""
    return {name: value for name, value in item.items() if name != "description"} | changed


def test_a_hit_shows_the_summary_and_who_wrote_it(searcher: Searcher) -> None:
    for hit in searcher.search(Query("a dress for a holiday", k=5)).hits:
        assert hit.summary and hit.described_by == "a large language model, from its own knowledge"


def test_words_of_a_description_find_the_item(own_bundle: Bundle) -> None:
    item = record_of(own_bundle, "f0001")
    described = json.loads(item["description"])
    words = [word for word in described["keywords"] if word.lower() not in item["text"].lower()]
    scores = own_bundle.bm25.scores(" ".join(words))
    assert scores[own_bundle.items.row_of("f0001")] > 0


def test_a_new_price_keeps_the_description_and_the_vector(own_bundle: Bundle) -> None:
    item, row = record_of(own_bundle, "f0001"), own_bundle.items.row_of("f0001")
    before = own_bundle.text_index.vectors_of(pd.array([row]).to_numpy())[0]
    put(own_bundle, as_put(item, price=1.0))
    assert record_of(own_bundle, "f0001") == item | {"price": 1.0}
    assert (own_bundle.text_index.vectors_of(pd.array([row]).to_numpy())[0] == before).all()


def test_another_text_loses_the_description_that_was_of_the_former(own_bundle: Bundle) -> None:
    item = record_of(own_bundle, "f0001")
    put(own_bundle, as_put(item, title="A garden gnome", text="A gnome of clay."))
    assert record_of(own_bundle, "f0001")["description"] is None
    hit = next(
        hit for hit in Searcher(own_bundle).search(Query("garden gnome")).hits if hit.item_id == "f0001"
    )
    assert hit.summary is None and hit.described_by is None


def test_a_new_item_has_none(own_bundle: Bundle) -> None:
    item = as_put(record_of(own_bundle, "f0001"), item_id="new", title="A garden gnome")
    put(own_bundle, item)
    assert record_of(own_bundle, "new")["description"] is None


def test_a_facet_of_the_description_filters(searcher: Searcher) -> None:
    for hit in searcher.search(Query("shoes", filters={"suits": ("babies",)}, k=5)).hits:
        row = searcher.bundle.items.row_of(hit.item_id)
        described = json.loads(
            searcher.bundle.items.rows_as_put(pd.array([row]).to_numpy())[0]["description"]
        )
        assert "babies" in described["for_whom"]["ages"]


def test_a_refused_content_is_in_no_hit(searcher: Searcher) -> None:
    answer = searcher.search(Query("a warm jumper without animal material", k=20))
    assert answer.exclusions.get("content") == ["animal material"]
    for hit in answer.hits:
        row = searcher.bundle.items.row_of(hit.item_id)
        described = json.loads(
            searcher.bundle.items.rows_as_put(pd.array([row]).to_numpy())[0]["description"]
        )
        assert "animal material" not in described["content_warnings"]
