"""Settings of the service, from `conf/serving.yaml`."""

from typing import ClassVar

from pydantic import Field

from components.core.errors import TandemError
from components.core.settings import Settings


class ServiceError(TandemError):
    """The service cannot start, or a key cannot be made or revoked."""


class ServingSettings(Settings):
    """What the service accepts, from whom, and where it keeps changes."""

    conf_file = "serving.yaml"
    renamed_keys: ClassVar = {"watch_seconds": "poll_seconds", "failures_per_minute": "wrong_keys_per_minute"}

    maximum_query_characters: int = Field(1000, ge=1, description="Longer queries are refused")
    maximum_items: int = Field(100, ge=1, le=1000, description="Most items of one answer")
    people: int = Field(8, ge=0, description="How many users the page offers to see it as")
    change_log: str = Field(
        "sqlite:///.tandem/changes.db",
        description="SQLAlchemy address of the database that changes and keys are kept in",
    )
    open_reads: bool = Field(False, description="Whether other machines may read without a key")
    reads_per_minute: int = Field(12_000, ge=1, description="Most requests a minute of one key or address")
    writes_per_minute: int = Field(60_000, ge=1, description="Most writes a minute of one key")
    reports_per_minute: int = Field(10, ge=1, description="Most objections to blocks a minute of one address")
    wrong_keys_per_minute: int = Field(20, ge=1, description="Most wrong keys a minute from one address")
    maximum_body_bytes: int = Field(1_000_000, ge=1000, description="Larger bodies are refused")
    maximum_batch_lines: int = Field(100_000, ge=1, description="Most items of one batch")
    poll_seconds: float = Field(
        2.0, gt=0, description="How often the registry is asked for its champion, and background work is done"
    )
