"""Settings of the index, and its error."""

from typing import ClassVar

from pydantic import Field

from components.core.errors import TandemError
from components.core.settings import Settings


class IndexFileError(TandemError):
    """An index that cannot be built or opened."""


class IndexSettings(Settings):
    """How segments are built, and when they are searched exactly."""

    conf_file = "index.yaml"
    renamed_keys: ClassVar = {"search_nodes": "search_k"}

    directions: int = Field(
        64, ge=2, le=2048, description="Fewest main directions that the trees are grown over"
    )
    kept_share: float = Field(
        0.85, ge=0, le=1, description="Share of the squared lengths that the main directions keep at least"
    )
    trees: int = Field(20, ge=1, le=1000, description="Annoy trees a segment; more are larger")
    search_k: int = Field(9_000, ge=1, description="Least number of nodes that a search inspects")
    candidates: int = Field(200, ge=1, description="Least number of candidates that are scored exactly")
    exact_rows: int = Field(3_000, ge=0, description="Where so few rows are allowed, all are scored exactly")
    scan_share: float = Field(
        0.25,
        ge=0,
        le=1,
        description="Where so small a share of the rows is allowed, all of it is scanned by the main directions",
    )
    recall_queries: int = Field(200, ge=1, description="Sampled queries behind the measured recall")
    merge_share: float = Field(
        0.1,
        gt=0,
        le=1,
        description="Where so large a share of the rows has changed, the trees are grown again",
    )
