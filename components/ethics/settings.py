"""Settings of the ethics room, read from `conf/ethics.yaml`."""

from pydantic import Field

from components.stage import Settings, TandemError


class EthicsError(TandemError):
    """A list of sentences or a filter that cannot be used."""


class EthicsSettings(Settings):
    """How the filter is calibrated and how it reads long texts."""

    false_block_rate: float = Field(
        0.015, gt=0, lt=0.5, description="Share of harmless texts that may be blocked"
    )
    maximum_titles: int = Field(600, ge=0, description="Item titles that count as benign queries, at most")
    contrasts: tuple[float, ...] = Field(
        (0.0, 0.25, 0.5, 0.75), min_length=1, description="Pull-backs that are tried"
    )
    window_words: int = Field(8, ge=4, description="Words of a window of a long text")
