"""Settings of the ethics package, read from `conf/ethics.yaml`."""

from typing import Annotated

from pydantic import Field

from components.core.errors import TandemError
from components.core.settings import Settings


class EthicsError(TandemError):
    """A list of sentences or a filter cannot be used."""


class EthicsSettings(Settings):
    """Settings of how the filter is trained and calibrated, and how it reads texts."""

    conf_file = "ethics.yaml"

    false_block_rate: float = Field(
        0.003, gt=0, lt=0.5, description="Share of harmless requests that may be blocked"
    )
    kind_block_rate: float = Field(
        0.0125, gt=0, lt=0.5, description="Share of harmless requests of any one kind that may be blocked"
    )
    sharp_block_rate: float = Field(
        0.025, gt=0, lt=1, description="Share of harmless requests that touch a harm that may be blocked"
    )
    look_alike_block_rate: float = Field(
        0.1,
        gt=0,
        lt=1,
        description="Share of twins of banned sentences, which only look harmful, that may be blocked",
    )
    other_language_block_rate: float = Field(
        0.01, gt=0, lt=0.5, description="Share of harmless requests in other languages that may be blocked"
    )
    confidence: float = Field(
        0.8, gt=0.5, lt=1, description="How sure it must be that the share of harmless requests is not above"
    )
    encoder_languages: list[Annotated[str, Field(pattern="^[a-z]{2,3}$")]] = Field(
        ["en"], min_length=1, description="Languages that the encoder knows"
    )
    encoder_language_share: float = Field(
        0.05, ge=0, le=1, description="How likely one of them must be, so that a text is judged as one"
    )
    maximum_titles: int = Field(1500, ge=0, description="Item titles that count as harmless, at most")
    maximum_past_queries: int = Field(5000, ge=0, description="Past queries that count as harmless, at most")
    maximum_wishes: int = Field(
        1500, ge=0, description="Wishes for the items by a language model that count as harmless, at most"
    )
    landmarks: int = Field(3000, ge=10, description="Sentences to which a text is compared")
    natural_weight: float = Field(
        3.0, gt=0, description="How much a natural request counts beside a benign sentence that looks harmful"
    )
    sharpness: float = Field(2.0, gt=0, description="How sharply likeness falls with distance")
    ridge: float = Field(3e-6, gt=0, description="Pull of the weights towards none, for each sentence")
    parts: int = Field(10, ge=2, description="Parts of the lists that are left out in turn")
    draws: int = Field(2, ge=1, description="Draws of the parts, over which thresholds are the mean")
    window_tokens: int = Field(8, ge=4, description="Tokens of a window of a text longer than two of them")
    window_margin: float = Field(
        0.2, ge=0, description="How much more harmful than a whole text a window of it must be"
    )
    log_blocked_texts: bool = Field(False, description="Whether the log shows the words of a blocked query")
