"""Settings of the index, and its error."""

from pydantic import Field

from components.stage import Settings, TandemError


class SegmentError(TandemError):
    """An index that cannot be built or opened."""


class IndexSettings(Settings):
    """How segments are built, and when they are searched exactly."""

    trees: int = Field(50, ge=1, le=1000, description="Annoy trees a segment; more are larger and find more")
    search_nodes: int = Field(10_000, ge=1, description="Least number of nodes that a search inspects")
    candidates: int = Field(50, ge=1, description="Least number of candidates that are scored exactly")
    exact_rows: int = Field(2_000, ge=0, description="Where so few rows are allowed, all are scored exactly")
    exact_share: float = Field(
        0.3,
        ge=0,
        le=1,
        description="Where so small a share of the rows is allowed, all of it is scored exactly",
    )
    recall_queries: int = Field(200, ge=1, description="Sampled queries behind the measured recall")
