"""A segment answers under any filter, with what is there and nothing else."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.index.annoy_index import AnnoyVectors
from components.index.build_index import recall_10, write_index
from components.index.settings import IndexFileError, IndexSettings

SETTINGS = IndexSettings(trees=10, search_k=50, candidates=10, exact_rows=5, scan_share=0.1, directions=8)
ROWS, DIMS = 500, 16


def clusters(rows: int, dims: int) -> np.ndarray:
    draw = np.random.default_rng(3)
    vectors = draw.normal(size=(20, dims))[draw.integers(0, 20, rows)] + 0.3 * draw.normal(size=(rows, dims))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("index")
    segments = {"text": clusters(ROWS, DIMS), "taste": clusters(ROWS, 7)}
    write_index(segments, folder, SETTINGS)
    return folder


def test_the_scan_reads_what_the_trees_hold(folder):
    for name, dims in (("text", DIMS), ("taste", 7)):
        segment = AnnoyVectors.open_segment(folder, name)
        np.testing.assert_array_equal(segment.vectors, clusters(ROWS, dims))
        for row in (0, 77, ROWS - 1):
            np.testing.assert_array_equal(segment.short[row], segment.annoy.get_item_vector(row))


@settings(max_examples=200, deadline=None)
@given(seed=st.integers(0, 100_000), share=st.floats(0, 1), k=st.integers(0, 60))
def test_a_filter_never_hides_what_exists_nor_shows_what_it_forbids(folder, seed, share, k):
    segment = AnnoyVectors.open_segment(folder, "text")
    draw = np.random.default_rng(seed)
    allowed = draw.random(ROWS) < share
    query = draw.normal(size=DIMS).astype(np.float32)
    rows, scores = segment.search(query, k, allowed)
    truth, _ = segment.search_exact(query, k, allowed)
    assert len(rows) == len(set(rows)) == min(k, allowed.sum()) == len(truth[:k])
    assert allowed[rows].all()
    np.testing.assert_allclose(scores, segment.vectors[rows] @ query, rtol=1e-4, atol=1e-5)
    assert (np.diff(scores) <= 0).all()


def test_few_allowed_rows_are_answered_exactly(folder):
    segment = AnnoyVectors.open_segment(folder, "text")
    query, allowed = segment.vectors[0], np.zeros(ROWS, bool)
    allowed[[3, 77, 400]] = True
    rows, _ = segment.search(query, 10, allowed)
    assert rows.tolist() == sorted([3, 77, 400], key=lambda row: -float(segment.vectors[row] @ query))


def test_the_trees_alone_find_most_of_the_nearest(folder):
    thorough = IndexSettings(trees=10, search_k=300, candidates=50)
    segment = AnnoyVectors.open_segment(folder, "text")
    segment.settings = thorough.model_copy(update={"exact_rows": 0, "scan_share": 0.0})
    assert recall_10(segment, thorough) > 0.9


def test_trees_that_inspect_more_nodes_find_more_of_the_nearest(folder):
    segment = AnnoyVectors.open_segment(folder, "text")
    segment.settings = SETTINGS.model_copy(update={"exact_rows": 0})
    queries = np.random.default_rng(4).normal(size=(50, DIMS)).astype(np.float32)
    found = {
        nodes: sum(
            len(np.intersect1d(segment.search(query, 10, nodes=nodes)[0], segment.search_exact(query, 10)[0]))
            for query in queries
        )
        for nodes in (20, 100, 10 * ROWS)
    }
    assert found[20] < found[100] < found[10 * ROWS]


def test_the_same_vectors_make_the_same_bytes(folder, tmp_path):
    segments = {"text": clusters(ROWS, DIMS), "taste": clusters(ROWS, 7)}
    write_index(segments, tmp_path, SETTINGS)
    for file in sorted(folder.iterdir()):
        assert (tmp_path / file.name).read_bytes() == file.read_bytes(), file.name


def test_a_cut_file_and_an_unknown_segment_are_refused(folder, tmp_path):
    with pytest.raises(IndexFileError, match=r"no segment films\. It has text, taste"):
        AnnoyVectors.open_segment(folder, "films")
    with pytest.raises(IndexFileError, match=r"index\.json is missing"):
        AnnoyVectors.open_segment(tmp_path, "text")
    (tmp_path / "index.json").write_bytes((folder / "index.json").read_bytes())
    for name in ("text.npy", "text_directions.npy"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    (tmp_path / "text.ann").write_bytes((folder / "text.ann").read_bytes()[:1001])
    with pytest.raises(IndexFileError, match=r"text\.ann is missing or not whole"):
        AnnoyVectors.open_segment(tmp_path, "text")


def test_short_vectors_do_not_crowd_long_ones_out_of_the_candidates(tmp_path: Path) -> None:
    draw = np.random.default_rng(3)
    centre = draw.normal(size=16)
    near = centre + 0.1 * draw.normal(size=(1500, 16))
    far = centre + 1.5 * draw.normal(size=(1500, 16))
    rows = [
        0.1 * near / np.linalg.norm(near, axis=1, keepdims=True),
        far / np.linalg.norm(far, axis=1, keepdims=True),
    ]
    vectors = np.vstack(rows).astype(np.float32)
    write_index({"taste": vectors}, tmp_path, IndexSettings(exact_rows=0))
    found, scores = AnnoyVectors.open_segment(tmp_path, "taste").search(centre.astype(np.float32), 10)
    expected = vectors @ centre.astype(np.float32)
    assert set(found) == set(np.argsort(-expected)[:10])
    np.testing.assert_allclose(scores, np.sort(expected)[::-1][:10], rtol=1e-5)
