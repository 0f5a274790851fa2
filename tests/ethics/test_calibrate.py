"""Calibration end to end: lines hold what they promise on texts that nothing has seen."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from components.ethics.calibrate import SET_ASIDE
from components.ethics.classifier import ClassifierTrainer, TrainingExamples, kernel_features
from components.ethics.filter import EXAMPLES, FILES, EthicsFilter
from components.ethics.settings import EthicsError, EthicsSettings
from components.ethics.thresholds import BlockLimit, HeldOutScores, binomial_threshold, upper_bound
from tests.ethics.conftest import calibrated, write_queries, write_titles

NATURAL = ("short", "long", "persona", "talk")


@pytest.fixture(scope="module")
def figures(done):
    return json.loads((done / "ethics.json").read_text())


def test_held_out_harmless_requests_are_blocked_as_rarely_as_the_settings_say(figures):
    chosen = EthicsSettings()
    assert figures["held_out_false_block_rate"] <= 2 * chosen.false_block_rate
    for kind in NATURAL:
        assert figures[f"{kind}_texts"] > 300
        assert figures[f"{kind}_blocked"] <= 2 * chosen.kind_block_rate
    assert figures["other_language_blocked"] <= 2 * chosen.other_language_block_rate
    assert figures["held_out_recall"] > 0.4  # of a small encoder and half the lists


def test_a_larger_rate_catches_more(short_lists, catalogue, query_model_folder, tmp_path):
    found = []
    for rate in (0.003, 0.1):
        (tmp_path / str(rate)).mkdir()
        rates = dict.fromkeys(
            ("false_block_rate", "kind_block_rate", "sharp_block_rate", "look_alike_block_rate"), rate
        )
        found.append(calibrated(short_lists, catalogue, query_model_folder, tmp_path / str(rate), **rates))
    assert found[0]["threshold"] > found[1]["threshold"]
    assert found[0]["held_out_recall"] < found[1]["held_out_recall"]


def test_the_curve_has_a_line_for_each_kind_and_falls(done):
    curve = pd.read_csv(done / "curve.csv")
    assert {*NATURAL, "title", "look-alike", "sharp", "other language"} == set(curve["kind"])
    for _, table in curve.groupby("kind"):
        assert table["line"].is_monotonic_increasing
        assert table["blocked"].is_monotonic_decreasing and table["recall"].is_monotonic_decreasing


def test_calibrating_again_gives_the_same_bytes_and_encodes_nothing_again(
    short_lists, catalogue, query_model_folder, tmp_path
):
    outs = [tmp_path / "first", tmp_path / "second"]
    kept = []
    for out in outs:
        out.mkdir()
        calibrated(short_lists, catalogue, query_model_folder, out)
        (vectors,) = out.glob(".sentences-*/vectors")
        kept.append(vectors.read_bytes())
        if out == outs[0]:
            calibrated(short_lists, catalogue, query_model_folder, out)
            assert vectors.read_bytes() == kept[0]
    for name in (*(f"ethics/{name}" for name in (*FILES, EXAMPLES)), "ethics.json", "curve.csv"):
        assert (outs[0] / name).read_bytes() == (outs[1] / name).read_bytes()


def test_without_titles_the_benign_sentences_are_enough(short_lists, catalogue, query_model_folder, tmp_path):
    figures = calibrated(short_lists, catalogue, query_model_folder, tmp_path, maximum_titles=0)
    assert "title_texts" not in figures
    assert EthicsFilter.load(tmp_path / "ethics").threshold == figures["threshold"]


def test_wishes_of_a_language_model_join_the_calibration_but_harmful_ones_are_set_aside(
    short_lists, catalogue, query_model_folder, tmp_path
):
    harmless = [
        f"a {kind} for a walk in the {place}" for kind in ("coat", "tent") for place in ("hills", "wind")
    ]
    harmful = pd.read_csv(short_lists / "banned/explosives.csv")["sentence"].tolist()[:6]
    wishes = {f"i{number}": [wish] for number, wish in enumerate([*harmless, *harmful])}
    calibrated(short_lists, catalogue, query_model_folder, tmp_path, wishes=wishes)
    table = pd.read_parquet(tmp_path / "descriptions.parquet")
    # Some are held out of all texts
    indexed = {wish for text in table["description"] for wish in json.loads(text)["wishes"]}
    aside = set(pd.read_csv(tmp_path / "sentences" / SET_ASIDE)["text"])
    assert aside and aside <= indexed.intersection(harmful)
    known = pd.read_parquet(tmp_path / "sentences/sentences.parquet")
    assert set(known.loc[known["kind"] == "past query", "text"]) == indexed - aside


def test_past_queries_join_the_calibration_but_harmful_ones_are_set_aside(
    short_lists, query_model_folder, tmp_path
):
    write_titles(tmp_path / "catalogue")
    asked = {
        f"rain boots size {size} for my {whom}": False for size in range(20, 40) for whom in ("son", "wife")
    }
    banned = pd.read_csv(short_lists / "banned/explosives.csv")["sentence"].tolist()[:6]
    marked = {"velvet curtains": True}
    write_queries(tmp_path / "catalogue", asked | dict.fromkeys(banned, False) | marked)
    figures = calibrated(short_lists, tmp_path / "catalogue", query_model_folder, tmp_path)
    aside = pd.read_csv(tmp_path / "sentences" / SET_ASIDE).set_index("text")["reason"]
    assert aside["velvet curtains"] == "marked as harmful"
    assert set(aside.index) - {"velvet curtains"} <= set(banned) and len(aside) >= 4
    assert figures["past_queries_set_aside"] == len(aside)
    known = pd.read_parquet(tmp_path / "sentences/sentences.parquet")
    queries = known.loc[known["kind"] == "past query", "text"]
    assert not set(queries) & set(aside.index) and len(queries) >= len(asked) * 0.9


def test_a_language_that_cannot_be_detected_is_named(short_lists, catalogue, query_model_folder, tmp_path):
    with pytest.raises(EthicsError, match="encoder_languages: 'xx' cannot be detected"):
        calibrated(short_lists, catalogue, query_model_folder, tmp_path, encoder_languages=["xx"])


@given(st.integers(30, 3000), st.floats(0.001, 0.2), st.floats(0.6, 0.99))
def test_a_line_lets_no_more_above_than_the_exact_bound_allows(texts, rate, confidence):
    scores = np.random.default_rng(texts).permutation(texts).astype(float)
    above = int((scores > binomial_threshold(scores, rate, confidence)).sum())
    assert binom.cdf(above, texts, rate) <= 1 - confidence or above == 0
    if above:
        assert upper_bound(above, texts, confidence) <= rate + 1e-9
    assert binom.cdf(above + 1, texts, rate) > 1 - confidence  # the next text down would be one too many


def test_the_strictest_limit_sets_the_line_and_each_half_is_judged_by_the_other():
    kinds = np.repeat(["short", "talk"], 1000)
    scores = np.concatenate([np.linspace(0, 1, 1000), np.linspace(0, 2, 1000)])[:, None]
    held_out = HeldOutScores(scores, kinds)
    strict = {("short",): BlockLimit(0.1, None), ("talk",): BlockLimit(0.1, None)}
    assert held_out.find_threshold(strict) == pytest.approx(1.8, abs=0.01)
    assert held_out.find_threshold({("short",): BlockLimit(0.1, None)}) == pytest.approx(0.9, abs=0.01)
    blocked, count = held_out.count_blocked(("talk",), strict, seed=1)
    assert count == 1000 and blocked == pytest.approx(100, abs=25)
    assert HeldOutScores(scores[:0], kinds[:0]).find_threshold(strict) == 1.0


def examples(count: int, dimensions: int, seed: int) -> TrainingExamples:
    random = np.random.default_rng(seed)
    vectors = random.normal(size=(count, dimensions)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    banned = random.random(count) < 0.4
    names = ["fraud" if vector[0] > 0 else "drugs" for vector in vectors[banned]]
    return TrainingExamples(vectors, np.ones(count), banned, names, [1 + (name == "drugs") for name in names])


def test_the_classifier_gives_back_what_it_learnt():
    known = examples(60, 16, 0)
    learnt = ClassifierTrainer(known, EthicsSettings(landmarks=60, ridge=1e-7)).fit()
    np.testing.assert_allclose(learnt.score_harm(known.vectors), np.where(known.banned, 1, -1), atol=0.2)
    said = [learnt.predict_category(vector) for vector in known.vectors[known.banned]]
    expected = list(zip(known.categories, known.severities, strict=True))
    assert np.mean([a == b for a, b in zip(said, expected, strict=True)]) > 0.9


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 100))
def test_weights_without_a_part_are_those_learnt_from_the_rest(seed):
    known, parts = examples(300, 8, seed), np.arange(300) % 3
    trainer = ClassifierTrainer(known, EthicsSettings(landmarks=40))
    without = trainer.fit_without_parts(parts, 3)
    rest = np.flatnonzero(parts != 1)
    solved = trainer._solve_ridge(trainer._sum_harm(rest, "rest"))
    near = kernel_features(known.vectors, trainer.landmarks, 2.0)
    np.testing.assert_allclose(near @ without[:, 1], near @ solved[:, 0], atol=1e-3)
