"""Recommendations for a person, and items like an item."""

import pandas as pd
import pytest

from components.bundle.bundle import Bundle
from components.bundle.searcher import Searcher


def test_a_known_person_gets_new_items_of_their_kind(
    bundle: Bundle, searcher: Searcher, bundle_items: pd.DataFrame
) -> None:
    titles = set(bundle_items["title"])
    for person in bundle.histories.find_most_active(10):
        known, _ = bundle.histories.of_user(person)
        taken = bundle_items.iloc[known]
        hits = searcher.recommend_for_user(person, 20).hits
        assert len(hits) == 20
        assert not {hit.item_id for hit in hits} & set(taken["item_id"])
        for hit in hits:
            reason = hit.why.removeprefix("Fits your taste, such as ")
            assert reason in titles and reason in set(taken["title"])
        assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


def test_a_stranger_gets_what_is_popular_and_is_told(bundle: Bundle, searcher: Searcher) -> None:
    answer = searcher.recommend_for_user("nobody knows me", 5)
    assert answer.note == "Nothing is known of this person yet; what is popular is shown."
    assert [hit.why for hit in answer.hits] == ["Popular"] * 5
    assert answer.hits[0].score == max(bundle.popularity.values[bundle.items.available])


def test_items_like_an_item_are_of_its_kind_and_not_itself(
    searcher: Searcher, bundle_items: pd.DataFrame
) -> None:
    items = bundle_items.set_index("item_id")
    sandal = items.index[items["title"].str.contains("sandals", case=False)][0]
    hits = searcher.recommend_similar_items(sandal, 10).hits
    assert len(hits) == 10
    assert sandal not in [hit.item_id for hit in hits]
    assert sum(items.loc[hit.item_id, "category"] == "shoes" for hit in hits) > 5
    assert {hit.why for hit in hits} == {f"Like {items.loc[sandal, 'title']}"}


def test_items_like_one_that_is_sold_out_are_still_found(
    searcher: Searcher, bundle_items: pd.DataFrame
) -> None:
    available = bundle_items["available"]
    gone = bundle_items.loc[~available, "item_id"].iloc[0]
    answer = searcher.recommend_similar_items(gone, 600)
    assert {hit.item_id for hit in answer.hits} == set(bundle_items.loc[available, "item_id"])


def test_an_item_that_there_is_not_is_a_key_error(searcher: Searcher) -> None:
    with pytest.raises(KeyError):
        searcher.recommend_similar_items("f9999", 10)
