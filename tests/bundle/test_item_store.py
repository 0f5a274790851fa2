"""Filters by inverted lists hold for what a walk over all items says."""

import json

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from components.bundle.stores.item_store import ItemStore

COLOURS, SEASONS = ["red", "blue"], ["summer", "winter", "all year"]
item = st.fixed_dictionaries(
    {
        "colour": st.lists(st.sampled_from(COLOURS), max_size=2),
        "season": st.lists(st.sampled_from(SEASONS), max_size=2),
        "price": st.one_of(st.none(), st.integers(0, 9)),
        "available": st.booleans(),
    }
)


def make_store(items: list[dict[str, object]]) -> ItemStore:
    rows = [
        {
            "item_id": f"i{row}",
            "title": f"Item {row}",
            "category": None,
            "brand": "Lumena",
            "price": np.nan if one["price"] is None else one["price"],
            "available": one["available"],
            "attributes": json.dumps({"colour": one["colour"], "season": one["season"]}),
        }
        for row, one in enumerate(items)
    ]
    return ItemStore.from_items(pd.DataFrame(rows))


@given(
    st.lists(item, min_size=1, max_size=12),
    st.integers(0, 9),
    st.sampled_from(COLOURS),
    st.sampled_from(SEASONS),
)
def test_filters_and_prices_keep_what_each_item_says_of_itself(items, least, colour, season) -> None:
    store = make_store(items)
    on_sale = store.on_sale(least)
    assert on_sale.tolist() == [
        one["available"] and one["price"] is not None and one["price"] >= least for one in items
    ]
    assert store.with_values("colour", [colour]).tolist() == [colour in one["colour"] for one in items]
    assert (store.without_values("colour", [colour]) & store.without_values("season", [season])).tolist() == [
        colour not in one["colour"] and season not in one["season"] for one in items
    ]
    fits = [(colour in one["colour"]) + bool({season, "all year"} & set(one["season"])) for one in items]
    allowed, all_of_it = store.apply_filters(on_sale, {"colour": [colour], "season": [season]})
    most = max((fit for fit, sold in zip(fits, on_sale, strict=True) if sold), default=2)
    assert all_of_it == (most == 2)
    assert allowed.tolist() == [bool(sold) and fit == most for fit, sold in zip(fits, on_sale, strict=True)]


def test_a_value_that_no_item_has_holds_nothing() -> None:
    assert (
        not make_store([{"colour": [], "season": [], "price": 1, "available": True}])
        .with_values("colour", ["red"])
        .any()
    )


def test_records_say_what_the_table_says_and_none_where_it_says_nothing() -> None:
    store = make_store([{"colour": ["red"], "season": [], "price": None, "available": True}] * 3)
    assert store.records(np.array([2, 0])) == [
        {
            "item_id": f"i{row}",
            "title": f"Item {row}",
            "category": None,
            "brand": "Lumena",
            "price": None,
            "available": True,
            "attributes": {"colour": ["red"], "season": [], "brand": ["Lumena"]},
        }
        for row in (2, 0)
    ]
    assert store.with_values("brand", ["Lumena"]).all()


@given(
    st.lists(st.tuples(st.integers(0, 6), st.one_of(st.none(), item)), max_size=12), st.sampled_from(COLOURS)
)
def test_a_store_after_puts_and_removals_is_one_of_the_items_that_are_left(changes, colour) -> None:
    start = [{"colour": ["red"], "season": [], "price": 3, "available": True}] * 4
    store = make_store(start)
    now = dict(enumerate(start))
    for place, one in changes:
        if one is None:
            store.remove(f"i{place}")
            now.pop(place, None)
        else:
            put = make_store([one]).rows_as_put(np.array([0]))[0] | {"item_id": f"i{place}"}
            assert store.put(put) == store.find_row(f"i{place}")
            now[place] = one
    for place in range(7):
        row = store.row_of(f"i{place}")
        assert (row is not None) == (place in now)
        if row is not None:
            assert store.id_of(row) == f"i{place}"
            assert store.available[row] == now[place]["available"]
            assert store.with_values("colour", [colour])[row] == (colour in now[place]["colour"])
            assert store.on_sale(5)[row] == (now[place]["available"] and (now[place]["price"] or 0) >= 5)
    assert store.available.sum() == sum(one["available"] for one in now.values())


def test_a_saved_store_is_loaded_mapped_with_the_same_answers(tmp_path) -> None:
    store = make_store(
        [
            {"colour": ["red"], "season": ["all year"], "price": price, "available": price != 2}
            for price in range(4)
        ]
    )
    store.save(tmp_path)
    again = ItemStore.load(tmp_path)
    every = np.arange(4)
    assert again.records(every) == store.records(every)
    assert [again.row_of(f"i{row}") for row in range(5)] == [0, 1, 2, 3, None]
    assert again.with_values("season", ["summer"]).all() and again.with_values("colour", ["blue"]).sum() == 0
    again.put(again.rows_as_put(every)[0] | {"price": 99.0})
    assert again.price[0] == 99 and ItemStore.load(tmp_path).price[0] == 0
