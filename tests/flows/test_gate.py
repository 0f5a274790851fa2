"""The gate: a worse candidate is refused with the failing line, one that is not worse passes."""

import math

from hypothesis import given
from hypothesis import strategies as st

from flows.gate import judge
from flows.settings import Rule

GATE = {
    "ndcg": Rule(better="higher", margin=0.01, limit=0.1),
    "false_blocks": Rule(better="lower", margin=0.02, limit=0.05),
}
CHAMPION = {"ndcg": 0.40, "false_blocks": 0.01}


def test_the_first_candidate_passes_within_the_limits() -> None:
    assert judge(CHAMPION, None, GATE).passed


def test_a_candidate_beyond_a_limit_is_refused_even_as_the_first() -> None:
    verdict = judge({"ndcg": 0.05, "false_blocks": 0.2}, None, GATE)
    assert [line.reason for line in verdict.lines] == ["beyond the limit 0.1", "beyond the limit 0.05"]


def test_a_worse_candidate_is_refused_and_the_line_names_the_metric() -> None:
    verdict = judge({"ndcg": 0.38, "false_blocks": 0.01}, CHAMPION, GATE)
    assert not verdict.passed
    assert [line.metric for line in verdict.lines if not line.passed] == ["ndcg"]


def test_a_candidate_that_lost_a_metric_is_refused() -> None:
    assert not judge({"ndcg": 0.5}, CHAMPION, GATE).passed


def test_a_metric_that_neither_has_is_not_judged() -> None:
    assert judge({"ndcg": 0.5}, {"ndcg": 0.4}, GATE).passed


def test_nan_never_passes() -> None:
    assert not judge({"ndcg": math.nan, "false_blocks": 0.0}, None, GATE).passed
    assert not judge({"ndcg": math.nan, "false_blocks": 0.0}, CHAMPION, GATE).passed


@given(st.floats(0.1, 1), st.floats(0, 0.05))
def test_a_candidate_equal_to_the_champion_is_never_refused(ndcg: float, blocks: float) -> None:
    metrics = {"ndcg": ndcg, "false_blocks": blocks}
    assert judge(metrics, metrics, GATE).passed
