"""Settings of the catalogue package, read from `conf/catalogue.yaml`."""

from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from components.core.settings import Settings


class DriftLimits(BaseModel):
    """Limits that a feed must hold before anything is trained on it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_quarantined_share: float = Field(
        default=0.2, ge=0, le=1, description="Share of a table's rows that may be set aside"
    )
    max_duplicate_share: float = Field(
        default=0.2, ge=0, le=1, description="Share of items or interactions that may be doubles"
    )
    max_age_days: float | None = Field(
        default=None, gt=0, description="Days that the newest interaction may be old; null: any age"
    )
    min_row_ratio: float = Field(
        default=0.5, ge=0, le=1, description="Rows must be at least this share of the last accepted"
    )
    max_row_ratio: float = Field(
        default=5, ge=1, description="Rows may be at most this many times the last accepted"
    )
    max_fill_drop: float = Field(
        default=0.3, ge=0, le=1, description="How much a column's share of filled values may fall"
    )
    max_ks_statistic: float = Field(
        default=0.2, ge=0, le=1, description="Kolmogorov-Smirnov statistic of numbers, at most"
    )
    max_psi: float = Field(default=0.25, ge=0, description="Population stability index of names, at most")


class CatalogueSettings(Settings):
    """The source of the catalogue, its limits, and the shares of held-out users."""

    conf_file = "catalogue.yaml"
    renamed_keys: ClassVar = {
        "feed": "drift",
        "drift.set_aside": "drift.max_quarantined_share",
        "drift.doubled": "drift.max_duplicate_share",
        "drift.fresh_days": "drift.max_age_days",
        "drift.fewer": "drift.min_row_ratio",
        "drift.more": "drift.max_row_ratio",
        "drift.emptier": "drift.max_fill_drop",
        "drift.drift_ks": "drift.max_ks_statistic",
        "drift.drift_psi": "drift.max_psi",
    }

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
    minimum_rating: float = Field(
        4.0,
        ge=0,
        description="Ratings below it are no implicit feedback; clicks, views and purchases always are",
    )
    minimum_history: int = Field(5, ge=2, description="Users with fewer interactions are never held out")
    drift: DriftLimits = Field(
        DriftLimits(), description="What a feed must hold before anything is trained on it"
    )


DEFAULTS = CatalogueSettings.model_validate({"folder": ""})
