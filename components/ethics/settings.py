"""Settings of the ethics room, read from `conf/ethics.yaml`."""

from pydantic import Field

from components.stage import Settings, TandemError


class EthicsError(TandemError):
    """A list of sentences or a filter that cannot be used."""


class EthicsSettings(Settings):
    """How the filter is learnt and calibrated, and how it reads long texts."""

    false_block_rate: float = Field(0.01, gt=0, lt=0.5, description="Share of titles that may be blocked")
    look_alike_block_rate: float = Field(
        0.05, gt=0, lt=1, description="Share of benign sentences, which look harmful, that may be blocked"
    )
    maximum_titles: int = Field(1500, ge=0, description="Item titles that count as benign queries, at most")
    sharpness: float = Field(2.0, gt=0, description="How sharply likeness falls with distance")
    ridge: float = Field(0.03, gt=0, description="Pull of the votes towards none")
    parts: int = Field(5, ge=2, description="Parts of the lists that are left out in turn")
    draws: int = Field(10, ge=1, description="Draws of the parts, over which the threshold is the mean")
    window_words: int = Field(
        8, ge=4, description="Words of a window of a text that is longer than two of them"
    )
    worst_share: float = Field(
        0.1, ge=0, le=1, description="Share of a text's readings, the worst ones, whose mean score counts"
    )
    log_blocked_texts: bool = Field(False, description="Whether the log shows the words of a blocked query")
