"""A night costs no more than the settings allow, and the next one goes on where it ended."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from components.enrichment.answer_cache import AnswerCache, Line
from components.enrichment.budget import Budget
from components.enrichment.enrich import estimate_stage, tonights_budget
from components.enrichment.settings import EnrichmentSettings
from tests.enrichment.conftest import Shop, film, today
from tests.enrichment.endpoint import Endpoint, Reply

# Each answer of the server has 500 tokens read and 400 written
PRICES = {"input_price": 1.0, "output_price": 10.0}
ANSWER_COST = (500 * 1 + 400 * 10) / 1e6
THREE = [
    {"maximum_requests": 3},
    {"maximum_tokens": 3 * 900 + 100},
    {"maximum_cost": 3.1 * ANSWER_COST, **PRICES},
]
NAMES = ["requests", "tokens", "cost"]


def line_of(number: int, **changes: Any) -> Line:
    """A line of the cache, paid for today."""
    line: Line = {
        "item_id": f"old{number}", "item_hash": f"hash{number}", "prompt_hash": "another", "model": "m", "date": today(),
        "input_tokens": 500, "output_tokens": 400, "requests": 1, "text": "old",
    }  # fmt: skip
    return line | changes


@pytest.mark.parametrize("limit", THREE, ids=NAMES)
def test_a_limit_ends_the_asking_politely_and_the_next_run_asks_only_the_rest(
    limit: dict[str, Any], shop: Shop, endpoint: Endpoint, caplog: pytest.LogCaptureFixture
) -> None:
    metrics = shop.run(concurrency=1, **limit)
    assert (metrics["described"], metrics["without_answer"], metrics["unfinished"]) == (3, 3, 3)
    assert shop.described() == ["i0", "i1", "i2"]
    assert "tonight's budget is spent" in caplog.text and next(iter(limit)) in caplog.text
    assert "3 of 6 items have no answer yet" in caplog.text

    # The same night allows nothing more
    assert shop.run(concurrency=1, **limit) == metrics
    assert len(endpoint.asked) == 3

    metrics = shop.run()
    assert metrics["described"] == 6 and metrics["unfinished"] == 0
    assert endpoint.counts == {f"i{number}": 1 for number in range(6)}


@pytest.mark.parametrize(
    "limit",
    [{"maximum_requests": 10}, {"maximum_tokens": 9100}, {"maximum_cost": 10.1 * ANSWER_COST, **PRICES}],
    ids=NAMES,
)
def test_many_at_once_ask_for_no_more_than_a_limit_allows(
    limit: dict[str, Any], shop: Shop, endpoint: Endpoint
) -> None:
    shop.put(*map(film, range(30)))
    metrics = shop.run(concurrency=4, **limit)
    assert len(endpoint.asked) == metrics["described"] == 10
    assert metrics["unfinished"] == 20


@pytest.mark.parametrize("limit", [{"maximum_requests": 0}, {"maximum_tokens": 0}], ids=NAMES[:2])
def test_a_limit_of_0_lets_nothing_be_asked(limit: dict[str, Any], shop: Shop, endpoint: Endpoint) -> None:
    assert shop.run(**limit)["unfinished"] == 6
    assert not endpoint.asked


def test_a_cost_of_0_lets_nothing_be_asked_that_has_a_price(shop: Shop, endpoint: Endpoint) -> None:
    assert shop.run(maximum_cost=0, **PRICES)["unfinished"] == 6
    assert not endpoint.asked


def test_a_cost_of_0_lets_a_model_be_asked_that_is_free(shop: Shop) -> None:
    assert shop.run(maximum_cost=0)["described"] == 6


def test_the_first_requests_stay_within_the_limit_too(shop: Shop, endpoint: Endpoint) -> None:
    shop.run(concurrency=4, maximum_tokens=1000)
    assert len(endpoint.asked) == 1


def test_requests_that_mend_an_answer_go_beyond_a_limit_by_no_more_than_was_under_way(
    shop: Shop, endpoint: Endpoint
) -> None:
    endpoint.behave = lambda _: Reply('{"half')
    shop.run(concurrency=2, maximum_requests=4)
    assert 4 <= len(endpoint.asked) <= 4 + 2


def test_what_is_set_aside_is_paid_for_too(shop: Shop, endpoint: Endpoint) -> None:
    endpoint.behave = lambda _: Reply("I cannot help with that.")
    metrics = shop.run(concurrency=1, maximum_requests=4)
    # Each is asked for twice
    assert metrics["quarantined"] == 2 and metrics["unfinished"] == 4
    assert len(endpoint.asked) == 4


def test_what_a_killed_run_spent_today_counts_and_what_was_spent_earlier_does_not(
    shop: Shop, endpoint: Endpoint
) -> None:
    yesterday = (datetime.now(UTC).date() - timedelta(days=1)).isoformat()
    cache = AnswerCache(shop.cache)
    for number in range(4):
        cache.append(line_of(number, date=today() if number < 2 else yesterday, requests=2))
    budget = tonights_budget(cache, EnrichmentSettings(**PRICES))
    assert (budget.requests, budget.input_tokens, budget.output_tokens) == (4, 1000, 800)
    assert budget.cost == pytest.approx(2 * ANSWER_COST)
    assert shop.run(concurrency=1, maximum_requests=5)["described"] == 1
    assert len(endpoint.asked) == 1


def test_answers_that_came_with_the_project_or_from_earlier_runs_elsewhere_cost_nothing(
    shop: Shop, endpoint: Endpoint
) -> None:
    for name in ("shipped_films", "known_answers"):
        shop.paths()[name].write_text(json.dumps(line_of(1)) + "\n")
    assert shop.run(concurrency=1, maximum_requests=2)["described"] == 2


def test_answers_that_another_machine_paid_for_today_cost_nothing_here(shop: Shop) -> None:
    other = shop.folder / "other.jsonl"
    other.write_text("".join(json.dumps(line_of(number)) + "\n" for number in range(5)))
    assert AnswerCache(shop.cache).merge(other) == 5
    assert shop.run(concurrency=1, maximum_requests=2)["described"] == 2


def test_an_estimate_asks_nobody_and_is_near_what_is_then_paid(shop: Shop, endpoint: Endpoint) -> None:
    settings = EnrichmentSettings(**shop.settings(maximum_requests=2, **PRICES))
    shop.run(concurrency=1, maximum_requests=2)
    estimate = estimate_stage(shop.paths(), settings)
    assert (estimate.items, estimate.requests, estimate.nights) == (6, 4, 2)
    assert estimate.output_tokens == 4 * 400  # as those that were paid for
    assert len(endpoint.asked) == 2


def test_a_request_under_way_counts_as_much_as_the_mean() -> None:
    budget = Budget(EnrichmentSettings(maximum_tokens=1000), requests=2, input_tokens=100, output_tokens=300)
    assert budget.limit_reached(under_way=2) is None
    assert budget.limit_reached(under_way=3) == "maximum_tokens (1000)"
