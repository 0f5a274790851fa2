"""Settings of the catalogue room, read from `conf/catalogue.yaml`."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from components.stage import Settings


class FeedLimits(BaseModel):
    """What a feed must hold before anything is trained on it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    set_aside: float = Field(
        default=0.2, ge=0, le=1, description="Share of a table's rows that may be set aside"
    )
    doubled: float = Field(
        default=0.2, ge=0, le=1, description="Share of items or interactions that may be doubles"
    )
    fresh_days: float | None = Field(
        default=None, gt=0, description="Days that the newest interaction may be old; null: any age"
    )
    fewer: float = Field(
        default=0.5, ge=0, le=1, description="Rows must be at least this share of the last accepted"
    )
    more: float = Field(default=5, ge=1, description="Rows may be at most this many times the last accepted")
    emptier: float = Field(
        default=0.3, ge=0, le=1, description="How much a column's share of filled values may fall"
    )
    drift_ks: float = Field(
        default=0.2, ge=0, le=1, description="Kolmogorov-Smirnov statistic of numbers, at most"
    )
    drift_psi: float = Field(default=0.25, ge=0, description="Population stability index of names, at most")


class CatalogueSettings(Settings):
    """Whose catalogue is read, and which users are kept aside."""

    source: Literal["movielens", "fashion", "folder"] = Field(
        "movielens", description="Whose catalogue is read"
    )
    folder: str = Field(description="Your own folder, read when source is folder")
    decimal: Literal[".", ","] = Field(".", description="Decimal sign of numbers in CSV files")
    validation_share: float = Field(
        0.1, ge=0, le=0.5, description="Share of users on whom settings are chosen"
    )
    test_share: float = Field(
        0.2, ge=0, le=0.5, description="Share of users on whom the final figures are measured"
    )
    minimum_history: int = Field(5, ge=2, description="Users with fewer interactions are never held out")
    feed: FeedLimits = Field(
        FeedLimits(), description="What a feed must hold before anything is trained on it"
    )
