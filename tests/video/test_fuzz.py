"""Mutated films: each ends as features or in quarantine with a reason, and the store is whole."""

import h5py
import pandas as pd

from benchmarks.video_fuzz import KINDS, mutate_all
from components.video.hdf5_store import find_problems
from tests.video.test_stages import run


def test_every_mutated_film_ends_as_features_or_in_quarantine_with_a_reason(tmp_path, films, weights):
    mutants = mutate_all(
        [films["tone"], films["matroska"], films["timeless"]], tmp_path, 3 * len(KINDS), seed=1
    )
    out = run(tmp_path, mutants, weights)
    aside = pd.read_parquet(out / "quarantine.parquet")
    assert (aside["reason"].str.len() > 10).all()
    with h5py.File(out / "films.h5") as store:
        assert set(store) | set(aside["video_id"]) == set(mutants)
        assert not set(store) & set(aside["video_id"])
        assert 0 < len(store) < len(mutants)
        assert [fault for film in store.values() for fault in find_problems(film)] == []
