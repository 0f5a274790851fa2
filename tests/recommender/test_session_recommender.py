"""People that no training has seen: histories with weights and ages, own words, filters, and nothing at all."""

import mlflow
import numpy as np
import pytest

from components.recommender import cold_start, train
from components.recommender.factors import ItemFactors
from components.recommender.session_recommender import decay_weights, embed_text, recommend_items
from components.recommender.settings import RecommenderError, RecommenderSettings

SETTINGS = RecommenderSettings(
    dimensions=8, epochs=20, patience=5, batch_size=20, learning_rate=0.1, neighbours=8
)


@pytest.fixture(scope="module")
def factors(project, tmp_path_factory) -> ItemFactors:
    out = tmp_path_factory.mktemp("sessions")
    mlflow.set_tracking_uri(f"sqlite:///{out / 'mlflow.db'}")
    catalogue, split = project / "catalogue", project / "split.parquet"
    train.main(catalogue, split, out / "elsa", out / "elsa.csv", settings=SETTINGS)
    cold_start.main(
        catalogue, split, out / "elsa", project / "text.npy", project / "films.parquet", out / "item_factors",
        out / "cold_start.json", settings=SETTINGS,
    )  # fmt: skip
    return ItemFactors.load(out / "item_factors")


def tastes(found: list[tuple[str, float]]) -> set[int]:
    rows = [int(item[1:]) for item, _ in found]
    return {row // 20 if row < 60 else row - 60 for row in rows}


def test_a_session_of_one_taste_is_answered_with_more_of_it(factors):
    found = recommend_items(factors, ["i20", "i21", "i22"], 10)
    assert tastes(found) == {1}
    assert not {"i20", "i21", "i22"} & {item for item, _ in found}
    scores = [score for _, score in found]
    assert scores == sorted(scores, reverse=True)


def test_what_weighs_more_and_is_newer_counts_more(factors):
    history = ["i0", "i1", "i40", "i41"]
    assert tastes(recommend_items(factors, history, 8, weights=[1, 1, 9, 9])) == {2}
    assert tastes(recommend_items(factors, history, 8, weights=decay_weights([0, 1, 300, 400], 30))) == {0}
    assert decay_weights([0, 30, 60, -5], 30) == [1, 0.5, 0.25, 1]


def test_own_words_join_the_history_in_the_same_space(factors, project):
    about_taste_two = np.load(project / "text.npy")[62]
    wish = embed_text(factors, about_taste_two)
    assert np.linalg.norm(wish) == pytest.approx(1, rel=1e-5)
    assert tastes(recommend_items(factors, [], 10, text_embedding=wish)) == {2}
    assert tastes(recommend_items(factors, ["i0", "i1", "i2"], 40, text_embedding=wish)) >= {0, 2}


def test_a_person_with_nothing_gets_what_is_popular_within_the_filter(factors):
    allowed = np.arange(63) % 2 == 0
    found = recommend_items(factors, [], 5, allowed=allowed)
    most = np.flatnonzero(allowed)[np.argsort(-factors.popularity[allowed], kind="stable")[:5]]
    assert [item for item, _ in found] == [f"i{row}" for row in most]
    assert recommend_items(factors, ["nobody knows"], 5, allowed=allowed) == found
    assert len(recommend_items(factors, ["i0"], 100, allowed=np.arange(63) < 3)) == 2


def test_factors_without_a_map_say_so_when_asked_about_words(factors):
    bare = ItemFactors(factors.item_ids, factors.matrix, factors.interactions, factors.cold)
    with pytest.raises(RecommenderError, match="no map from texts"):
        embed_text(bare, np.ones(16, np.float32))
