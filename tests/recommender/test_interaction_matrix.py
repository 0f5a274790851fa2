"""From a table to a matrix."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from components.catalogue.tables import (
    CatalogueError,
    cast_columns,
    read_interaction_batches,
    read_interactions,
    write_table,
)
from components.recommender.interaction_matrix import (
    build_matrix,
    build_matrix_from_parts,
    hold_out,
    hold_out_last,
)

COLUMNS = ["user_id", "item_id", "timestamp", "weight", "kind"]


def test_low_ratings_and_unknown_items_are_left_out_and_repeats_are_merged():
    table = pd.DataFrame(
        [
            ("b", "x", 0, 5.0, "rating"),
            ("b", "y", 0, 3.5, "rating"),
            ("a", "y", 0, 1.0, "click"),
            ("a", "y", 1, 2.0, "purchase"),
            ("a", "gone", 0, 5.0, "rating"),
            ("c", "x", 0, float("nan"), "click"),
        ],
        columns=COLUMNS,
    )
    interactions = build_matrix(table, ["x", "y"], 4.0)
    assert interactions.user_ids.tolist() == ["a", "b"]
    np.testing.assert_array_equal(interactions.matrix.toarray(), [[0, 2], [1, 0]])
    assert interactions.seconds.tolist() == [1, 0]
    assert interactions.select_users(["b", "stranger"]).toarray().tolist() == [[1, 0]]


def test_a_table_without_rows_makes_an_empty_matrix():
    interactions = build_matrix(
        pd.DataFrame(columns=COLUMNS).astype({"weight": float, "timestamp": int}), ["x"], 4.0
    )
    assert interactions.matrix.shape == (0, 1)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), rows=st.integers(0, 60), size=st.integers(5, 30))
def test_a_table_in_parts_makes_the_same_as_the_whole(seed, rows, size):
    draw = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "user_id": draw.choice(["u", "v", "w 1", "10", "9"], rows),
            "item_id": draw.choice(["x", "y", "gone"], rows),
            "timestamp": draw.integers(0, 100, rows),
            "weight": draw.choice([-1.0, 0.5, 3.0, 4.0, 5.0, np.nan], rows),
            "kind": draw.choice(["rating", "click"], rows),
        }
    )
    parts = (table[start : start + size].astype({"user_id": "category"}) for start in range(0, rows, size))
    whole, joined = build_matrix(table, ["y", "x"], 4.0), build_matrix_from_parts(parts, ["y", "x"], 4.0)
    assert joined.user_ids.tolist() == whole.user_ids.tolist() == sorted(whole.user_ids)
    assert joined.seconds.tolist() == whole.seconds.tolist()
    np.testing.assert_array_equal(joined.matrix.toarray(), whole.matrix.toarray())


def test_a_catalogue_is_read_in_parts_as_it_was_written(tmp_path):
    table = pd.DataFrame(
        [("a", "x", 0, 5.0, "rating"), ("b", "y", 1, 1.0, "click"), ("a", "y", 2, 1.0, "view")],
        columns=COLUMNS,
    )
    write_table("interactions", table, tmp_path)
    parts = list(read_interaction_batches(tmp_path, rows=2))
    assert [len(part) for part in parts] == [2, 1]
    pd.testing.assert_frame_equal(cast_columns("interactions", pd.concat(parts)), read_interactions(tmp_path))
    (tmp_path / "interactions.parquet").unlink()
    with pytest.raises(CatalogueError, match="is missing"):
        next(read_interaction_batches(tmp_path))


@given(seed=st.integers(0, 10_000), share=st.floats(0.05, 0.95))
def test_history_and_held_out_part_make_up_the_whole(seed, share):
    draw = np.random.default_rng(seed)
    matrix = sparse.csr_matrix((draw.random((8, 12)) < 0.3).astype(np.float32))
    history, held_out = hold_out(matrix, share, seed)
    counts = np.diff(matrix.indptr)
    expected = np.where(counts >= 2, np.maximum(1, np.floor(counts * share)), 0)
    np.testing.assert_array_equal(np.diff(held_out.indptr), expected)
    whole = matrix.toarray() * (counts >= 2)[:, None]
    np.testing.assert_array_equal((history + held_out).toarray(), whole)


def test_the_last_item_by_time_is_held_out_and_lone_items_are_not():
    matrix = sparse.csr_matrix(np.array([[1, 1, 1], [0, 2, 0], [3, 0, 3], [0, 0, 0]], dtype=np.float32))
    history, last = hold_out_last(matrix, np.array([5, 9, 7, 1, 4, 4]))
    assert last.toarray().tolist() == [[0, 1, 0], [0, 0, 0], [0, 0, 3], [0, 0, 0]]
    assert history.toarray().tolist() == [[1, 0, 1], [0, 0, 0], [3, 0, 0], [0, 0, 0]]
