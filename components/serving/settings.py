"""Settings of the service, read from `conf/serving.yaml`."""

from pydantic import Field

from components.stage import Settings


class ServingSettings(Settings):
    """What the service accepts."""

    maximum_query_characters: int = Field(1000, ge=1, description="Longer queries are refused")
    maximum_items: int = Field(100, ge=1, le=1000, description="Most items of one answer")
    people: int = Field(8, ge=0, description="People that the page offers to look through the eyes of")
