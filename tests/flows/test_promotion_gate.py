"""The gate: a worse candidate is refused with the failing line, one that is not worse passes, chance passes seldom."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.promote.promotion_gate import BundleMetrics, GateDecision, decide_promotion
from flows.settings import GateRule, GateSettings

GATE = GateSettings(
    rules={
        "ndcg": GateRule(better="higher", margin=0.01, limit=0.1),
        "false_blocks": GateRule(better="lower", margin=0.02, limit=0.05),
    }
)
CHAMPION = {"ndcg": 0.40, "false_blocks": 0.01}


def judged(candidate: dict[str, float], champion: dict[str, float] | None) -> GateDecision:
    return decide_promotion(
        BundleMetrics(candidate), None if champion is None else BundleMetrics(champion), GATE
    )


def test_the_first_candidate_passes_within_the_limits() -> None:
    assert judged(CHAMPION, None).passed


def test_a_candidate_beyond_a_limit_is_refused_even_as_the_first() -> None:
    verdict = judged({"ndcg": 0.05, "false_blocks": 0.2}, None)
    assert [line.reason for line in verdict.lines] == ["beyond the limit 0.1", "beyond the limit 0.05"]


def test_a_worse_candidate_is_refused_and_the_line_names_the_metric() -> None:
    verdict = judged({"ndcg": 0.38, "false_blocks": 0.01}, CHAMPION)
    assert not verdict.passed
    assert [line.metric for line in verdict.lines if not line.passed] == ["ndcg"]


def test_a_candidate_that_lost_a_metric_is_refused() -> None:
    assert not judged({"ndcg": 0.5}, CHAMPION).passed


def test_a_metric_that_neither_has_is_not_judged() -> None:
    assert judged({"ndcg": 0.5}, {"ndcg": 0.4}).passed


def test_nan_never_passes() -> None:
    assert not judged({"ndcg": math.nan, "false_blocks": 0.0}, None).passed
    assert not judged({"ndcg": math.nan, "false_blocks": 0.0}, CHAMPION).passed


@given(st.floats(0.1, 1), st.floats(0, 0.05))
def test_a_candidate_equal_to_the_champion_is_never_refused(ndcg: float, blocks: float) -> None:
    metrics = {"ndcg": ndcg, "false_blocks": blocks}
    verdict = judged(metrics, metrics)
    assert verdict.passed and not verdict.is_gain


def answers(values: np.ndarray) -> BundleMetrics:
    return BundleMetrics({}, {"ndcg": pd.Series(values, index=[f"user {n}" for n in range(len(values))])})


def paired(difference: float, people: int, seed: int) -> GateDecision:
    """The verdict on a candidate whose true difference is this, over people who differ much among themselves."""
    draw = np.random.default_rng(seed)
    old = draw.beta(2, 2, people)
    new = old + difference + 0.1 * draw.standard_normal(people)
    gate = GATE.model_copy(update={"rules": {"ndcg": GATE.rules["ndcg"]}, "resamples": 1000})
    return decide_promotion(answers(new), answers(old), gate)


@pytest.mark.parametrize("people", [50, 200])
def test_of_200_candidates_that_are_worse_by_the_margin_no_more_than_one_in_20_passes(people: int) -> None:
    passed = [paired(-0.01, people, seed).passed for seed in range(200)]
    assert sum(passed) <= 10


def test_of_200_candidates_that_are_as_good_no_more_than_one_in_20_is_called_better() -> None:
    verdicts = [paired(0.0, 200, seed) for seed in range(200)]
    assert sum(verdict.is_gain for verdict in verdicts) <= 10


def test_p_values_of_candidates_that_are_worse_by_the_margin_are_spread_evenly() -> None:
    found = [line.p for seed in range(200) for line in paired(-0.01, 200, seed).lines]
    values = np.array(found, float)
    shares = [(values <= level).mean() for level in (0.05, 0.25, 0.5, 0.75)]
    assert shares == pytest.approx([0.05, 0.25, 0.5, 0.75], abs=0.1)


def test_what_is_better_beyond_doubt_passes_as_better_and_what_is_worse_beyond_doubt_names_its_loss() -> None:
    assert paired(0.05, 200, 1).is_gain
    worse = paired(-0.05, 200, 1)
    assert worse.failure_reasons == "ndcg: worse by more than 0.01"
    assert worse.lines[0].high is not None and worse.lines[0].high < -0.01


def test_too_few_examples_to_exclude_a_loss_are_refused_as_such() -> None:
    verdict = paired(0.0, 20, 5)
    assert verdict.lines[0].candidate is not None and verdict.lines[0].champion is not None
    assert abs(verdict.lines[0].candidate - verdict.lines[0].champion) < 0.05
    assert any(
        "may be worse by more than 0.01" in paired(0.0, 20, seed).failure_reasons for seed in range(10)
    )


def test_only_examples_that_both_answered_are_compared() -> None:
    old = answers(np.full(100, 0.5))
    new = BundleMetrics({}, {"ndcg": pd.concat([old.samples["ndcg"], pd.Series({"new user": 0.0})])})
    verdict = decide_promotion(new, old, GATE)
    assert verdict.passed and verdict.lines[0].candidate == 0.5
