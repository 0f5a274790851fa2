"""What later stages read of a description: the fields that search matches, and the wish that is held out."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from components.enrichment.description import Description
from components.enrichment.indexed_description import HELD_OUT_SHARE, encode_description, split_wishes

SOURCE = {"model": "a model", "date": "2026-12-01"}
WISHES = [f"something number {number}" for number in range(5)]


def encoded(item_id: str = "i1", weights: dict[Any, int] | None = None, **fields: Any) -> dict[str, Any]:
    item = {"item_id": item_id, "title": "Heat"}
    text = encode_description(Description(known=True, **fields), item, weights or {}, SOURCE)
    return dict(json.loads(text))


def test_each_field_is_matched_as_often_as_it_counts() -> None:
    found = encoded(
        weights={"title": 2, "moods": 2, "summary": 1, "keywords": 0},
        summary="A heist.", moods=["tense", "cool"], keywords=["bank"],
    )  # fmt: skip
    assert found["matched"] == "Heat . Heat . tense. cool . tense. cool . A heist."


def test_whom_it_suits_is_matched_by_ages_companions_and_gender() -> None:
    whom = {"ages": ["adults"], "companions": ["friends"], "gender": "women"}
    assert encoded(weights={"for_whom": 1}, for_whom=whom)["matched"] == "adults. friends. women"


def test_the_source_stays_with_the_description() -> None:
    found = encoded()
    assert {name: found[name] for name in SOURCE} == SOURCE
    assert found["matched"] == "" and "known" not in found


@given(st.text(min_size=1, max_size=12))
def test_a_held_out_wish_is_in_no_text_and_always_the_same(item_id: str) -> None:
    found = encoded(item_id, weights={"wishes": 1}, wishes=WISHES)
    held_out = found["held_out_wish"]
    assert sorted(found["wishes"] + [held_out] * (held_out is not None)) == WISHES
    assert held_out is None or held_out not in found["matched"]
    assert split_wishes(item_id, WISHES) == {name: found[name] for name in ("wishes", "held_out_wish")}


def test_of_two_items_in_five_a_wish_is_held_out() -> None:
    held_out = [split_wishes(f"i{number}", WISHES)["held_out_wish"] for number in range(2000)]
    assert abs(sum(wish is not None for wish in held_out) / 2000 - HELD_OUT_SHARE) < 0.05
    assert set(held_out) == {None, *WISHES}
