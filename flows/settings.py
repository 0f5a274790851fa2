"""Settings of the flow and its gate, read from `conf/nightly.yaml`."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from components.stage import Settings


class Rule(BaseModel):
    """What a candidate's metric must hold beside the champion's."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    better: Literal["higher", "lower"] = Field(description="Which direction is better")
    margin: float = Field(ge=0, description="How much worse than the champion is still accepted")
    limit: float | None = Field(None, description="A value that no candidate may be worse than")


class NightlySettings(Settings):
    """How the nightly flow runs its stages and judges their result."""

    parallel_stages: int = Field(2, ge=1, le=64, description="Independent stages that run at once")
    heartbeat_seconds: float = Field(
        15, gt=0, description="Seconds between progress lines without a terminal"
    )
    registered_model: str = Field("tandem", min_length=1, description="Name in the MLflow registry")
    gate: dict[str, Rule] = Field(default_factory=dict, description="Rules by metric name")
