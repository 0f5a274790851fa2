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
    gain: bool = Field(True, description="Whether being better in it is a reason to publish")


class GateSettings(BaseModel):
    """How a candidate is examined and judged beside the champion."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rules: dict[str, Rule] = Field(default_factory=dict, description="Rules by metric name")
    confidence: float = Field(default=0.95, gt=0, lt=1, description="Of the interval of a difference")
    resamples: int = Field(default=2000, ge=100, description="Bootstrap samples behind an interval")
    examples: int = Field(
        default=300, ge=1, description="Most queries, people and sentences of the examination"
    )
    seed: int = Field(default=42, ge=0, description="Seed of the examination's choice and of the bootstrap")


class NightlySettings(Settings):
    """How the nightly flow runs its stages and judges their result."""

    parallel_stages: int = Field(2, ge=1, le=64, description="Independent stages that run at once")
    heartbeat_seconds: float = Field(
        15, gt=0, description="Seconds between progress lines without a terminal"
    )
    registered_model: str = Field("tandem", min_length=1, description="Name in the MLflow registry")
    promotion: Literal["automatic", "by hand"] = Field(
        "automatic",
        description="Whether a challenger that passes becomes champion at once, or by `tandem promote`",
    )
    claim_minutes: float = Field(
        30, gt=0, description="Time after which a publisher that says nothing no longer holds up others"
    )
    gate: GateSettings = Field(GateSettings(), description="What a new model must hold")
