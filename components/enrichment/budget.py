"""What the answers of a night cost, and whether another one may still be asked for."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from components.enrichment.settings import EnrichmentSettings

CHARACTERS_PER_TOKEN = 4  # of English text, for estimates before the first answer
TYPICAL_ANSWER_TOKENS = 400  # 1,409 characters with the signs of JSON: the mean over the shipped films
MILLION = 1_000_000


@dataclass
class Budget:
    """The requests and tokens of a night so far, beside what the settings allow."""

    settings: EnrichmentSettings
    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0

    @property
    def cost(self) -> float:
        """The money spent, in the currency of the prices."""
        return price_tokens(self.settings, self.input_tokens, self.output_tokens)

    def add(self, line: Mapping[str, Any]) -> None:
        """Count an answer with its tokens."""
        self.requests += int(line.get("requests", 1))
        self.input_tokens += int(line.get("input_tokens", 0))
        self.output_tokens += int(line.get("output_tokens", 0))

    def limit_reached(self, under_way: int = 0) -> str | None:
        """Return which limit another request would break, None where it may be asked.

        under_way: requests whose cost is not known yet; each counts as much as the mean so far.
        """
        settings = self.settings
        share = 1 + (under_way + 1) / max(self.requests, 1)
        tokens = self.input_tokens + self.output_tokens
        if self.requests + under_way >= settings.maximum_requests:
            return f"maximum_requests ({settings.maximum_requests})"
        if tokens * share > settings.maximum_tokens or tokens >= settings.maximum_tokens:
            return f"maximum_tokens ({settings.maximum_tokens})"
        has_price = settings.input_price + settings.output_price > 0
        if has_price and (self.cost * share > settings.maximum_cost or self.cost >= settings.maximum_cost):
            return f"maximum_cost ({settings.maximum_cost:g})"
        if under_way and not self.requests:
            return "the first answer"  # nothing says yet what an answer costs
        return None


def price_tokens(settings: EnrichmentSettings, input_tokens: float, output_tokens: float) -> float:
    """Return the price of tokens, in the currency of the settings' prices."""
    return (input_tokens * settings.input_price + output_tokens * settings.output_price) / MILLION
