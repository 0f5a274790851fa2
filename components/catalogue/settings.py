"""Settings of the catalogue room, read from `conf/catalogue.yaml`."""

from typing import Literal

from pydantic import Field

from components.stage import Settings


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
