"""Estimate what the descriptions that are missing will cost, before the first request."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from components.enrichment.answer_cache import AnswerCache
from components.enrichment.ask import Question
from components.enrichment.budget import CHARACTERS_PER_TOKEN, TYPICAL_ANSWER_TOKENS, price_tokens
from components.enrichment.settings import EnrichmentSettings


@dataclass(frozen=True)
class Estimate:
    """What is missing and what it costs: tokens, money in the currency of the prices, nights within the budget."""

    items: int
    requests: int
    input_tokens: int
    output_tokens: int
    cost: float
    nights: int
    minutes: float


def estimate_cost(
    n_items: int, questions: Sequence[Question], cache: AnswerCache, settings: EnrichmentSettings
) -> Estimate:
    """Estimate from the lengths of the questions, and from the tokens of answers that were paid for, if there are any."""
    characters = sum(len(message["content"]) for question in questions for message in question.messages)
    input_tokens = ceil(characters / CHARACTERS_PER_TOKEN)
    output_tokens = ceil(len(questions) * (cache.mean_output_tokens() or TYPICAL_ANSWER_TOKENS))
    cost = price_tokens(settings, input_tokens, output_tokens)
    nights = max(
        _count_nights(len(questions), settings.maximum_requests),
        _count_nights(input_tokens + output_tokens, settings.maximum_tokens),
        _count_nights(cost, settings.maximum_cost),
    )
    minutes = len(questions) / settings.requests_per_minute
    return Estimate(n_items, len(questions), input_tokens, output_tokens, cost, nights, minutes)


def _count_nights(amount: float, limit: float) -> int:
    if not amount:
        return 0
    # A limit of 0 lets nothing be asked, whatever the number of nights
    return ceil(amount / limit) if limit else 0
