"""A segment that rows are put into answers as one that was built with them."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.index.annoy_index import AnnoyVectors
from components.index.build_index import write_index
from components.index.live_index import LiveIndex, merge_delta
from components.index.settings import IndexSettings
from tests.index.test_annoy_index import clusters

ROWS, DIMS = 300, 12
SETTINGS = IndexSettings(trees=10, search_k=5000, candidates=300, exact_rows=5, scan_share=0.2, directions=6)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("live")
    write_index({"text": clusters(ROWS, DIMS)}, folder, SETTINGS)
    return folder


def put(folder: Path, seed: int, puts: int) -> tuple[LiveIndex, np.ndarray]:
    """A segment with rows put anew and again, and the vectors that it should hold."""
    draw = np.random.default_rng(seed)
    segment, vectors = LiveIndex(AnnoyVectors.open_segment(folder, "text")), list(clusters(ROWS, DIMS))
    for _ in range(puts):
        vector = draw.normal(size=DIMS).astype(np.float32)
        vector /= np.linalg.norm(vector)
        row = int(draw.integers(0, len(vectors) + 1))
        vectors[row : row + 1] = [vector]
        segment.put_vector(row, vector)
    return segment, np.array(vectors)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), puts=st.integers(0, 60), share=st.floats(0, 1), k=st.integers(1, 40))
def test_answers_are_those_of_an_exact_search_over_what_is_there_now(folder, seed, puts, share, k):
    segment, vectors = put(folder, seed, puts)
    allowed = np.random.default_rng(seed).random(len(vectors)) < share
    query = vectors[seed % len(vectors)] + 0.1
    rows, scores = segment.search(query, k, allowed)
    exact = np.where(allowed, vectors @ query, -np.inf)
    assert len(segment) == len(vectors) and len(rows) == min(k, allowed.sum())
    np.testing.assert_allclose(scores, np.sort(exact)[::-1][: len(rows)], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(scores, exact[rows], rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(segment.vectors_of(rows), vectors[rows])


def test_merging_keeps_every_vector_and_what_is_put_meanwhile(folder, tmp_path):
    segment, vectors = put(folder, 1, 50)
    base = merge_delta(segment.base, *segment.copy_delta(), tmp_path, "text")
    late = np.eye(DIMS, dtype=np.float32)[0]
    segment.put_vector(7, late)
    segment.replace_base(base)
    assert segment.delta_size == 1 and len(segment) == len(vectors)
    vectors[7] = late
    np.testing.assert_array_equal(segment.vectors_of(np.arange(len(vectors))), vectors)
