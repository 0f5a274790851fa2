"""Settings of the flow and its gate, read from `conf/nightly.yaml`, and of sweeps, from `conf/sweep.yaml`."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from components.core.settings import Settings


class GateRule(BaseModel):
    """What a candidate's metric must hold beside the champion's."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    better: Literal["higher", "lower"] = Field(description="Which direction is better")
    margin: float = Field(ge=0, description="How much worse than the champion is still accepted")
    limit: float | None = Field(None, description="A value that no candidate may be worse than")
    gain: bool = Field(True, description="Whether being better in it is a reason to publish")


class GateSettings(BaseModel):
    """How a candidate is examined and judged beside the champion."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rules: dict[str, GateRule] = Field(default_factory=dict, description="Rules by metric name")
    confidence: float = Field(default=0.95, gt=0, lt=1, description="Of the interval of a difference")
    resamples: int = Field(default=2000, ge=100, description="Bootstrap samples behind an interval")
    examples: int = Field(
        default=300, ge=1, description="Most queries, people and sentences of the examination"
    )
    seed: int = Field(default=42, ge=0, description="Seed of the examination's choice and of the bootstrap")


class NightlySettings(Settings):
    """How the nightly flow runs its stages and judges their result."""

    conf_file = "nightly.yaml"

    parallel_stages: int = Field(2, ge=1, le=64, description="Independent stages that run at once")
    heartbeat_seconds: float = Field(
        15, gt=0, description="Seconds between progress lines without a terminal"
    )
    stage_minutes: float = Field(720, gt=0, description="Minutes that a stage may take before it is ended")
    stage_minutes_of: dict[str, float] = Field(
        default_factory=dict, description="The same for single stages, by name"
    )
    retries: int = Field(
        3, ge=0, le=20, description="Further tries of a stage after a fault that may pass (network, lock)"
    )
    retry_seconds: float = Field(
        10, gt=0, description="Seconds before the first further try; twice as long before each after it"
    )
    notify: tuple[str, ...] = Field(
        (), description="Prefect notification blocks, type/name, told when a run fails or publishes"
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


class ChoiceParameter(BaseModel):
    """Values of a setting, one of which is tried."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    choices: list[bool | int | float | str | None] = Field(min_length=2, description="What may be tried")


class RangeParameter(BaseModel):
    """A setting's lowest and highest value; whole numbers are tried where both are whole."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    low: int | float
    high: int | float
    log: bool = Field(False, description="Whether to try orders of magnitude alike")

    @model_validator(mode="after")
    def _rises(self) -> Self:
        if not self.low < self.high or (self.log and self.low <= 0):
            raise ValueError("low has to be less than high, and more than 0 where log is true")
        return self


class SweepSpace(BaseModel):
    """Which settings of a stage's room are tried, and the validation metric of its MLflow run that chooses."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    metric: str = Field(description="Metric of the stage's run; the best value that it logs counts")
    better: Literal["higher", "lower"] = Field(description="Which direction is better")
    trials: int = Field(ge=1, description="How many are tried, the settings as they are first")
    space: dict[str, ChoiceParameter | RangeParameter] = Field(
        min_length=1, description="What is tried, by setting"
    )


class SweepSettings(Settings):
    """What may be swept."""

    conf_file = "sweep.yaml"

    stages: dict[str, SweepSpace] = Field(
        default_factory=dict, description="Searches by the name of their stage"
    )
