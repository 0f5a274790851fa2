"""Settings of the nightly flow and its gate (`conf/nightly.yaml`) and of sweeps (`conf/sweep.yaml`)."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from components.core.settings import Settings


class GateRule(BaseModel):
    """The rule for one metric: how much worse than the champion a candidate may be."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    better: Literal["higher", "lower"] = Field(description="Which direction is better")
    margin: float = Field(ge=0, description="How much worse than the champion is still accepted")
    limit: float | None = Field(None, description="A value that no candidate may be worse than")
    gain: bool = Field(True, description="Whether being better in it is a reason to publish")


class GateSettings(BaseModel):
    """How a candidate is evaluated and compared with the champion."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rules: dict[str, GateRule] = Field(default_factory=dict, description="Rules by metric name")
    confidence: float = Field(
        default=0.95, gt=0, lt=1, description="Confidence level of the interval of a difference"
    )
    resamples: int = Field(default=2000, ge=100, description="Bootstrap samples behind an interval")
    examples: int = Field(
        default=300, ge=1, description="Maximum of queries, users and sentences of the evaluation set"
    )
    seed: int = Field(
        default=42, ge=0, description="Seed of the evaluation set's sample and of the bootstrap"
    )


class NightlySettings(Settings):
    """How the nightly flow runs its stages and validates their result."""

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
        3, ge=0, le=20, description="Retries of a stage after a transient error (network, lock)"
    )
    retry_seconds: float = Field(
        10, gt=0, description="Seconds before the first retry; twice as long before each after it"
    )
    notify: tuple[str, ...] = Field(
        (), description="Prefect notification blocks, type/name, notified when a run fails or publishes"
    )
    registered_model: str = Field("tandem", min_length=1, description="Name in the MLflow registry")
    promotion: Literal["automatic", "by hand"] = Field(
        "automatic",
        description="Whether a challenger that passes becomes champion at once, or by `tandem promote`",
    )
    claim_minutes: float = Field(
        30, gt=0, description="Minutes after which a silent publisher on another host is no longer waited for"
    )
    gate: GateSettings = Field(GateSettings(), description="The rules that a new model must pass")


class ChoiceParameter(BaseModel):
    """A setting whose value is one of a list."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    choices: list[bool | int | float | str | None] = Field(min_length=2, description="What may be tried")


class RangeParameter(BaseModel):
    """A setting between two bounds; only integers are tried if both bounds are integers."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    low: int | float
    high: int | float
    log: bool = Field(False, description="Whether to sample on a logarithmic scale")

    @model_validator(mode="after")
    def _check_bounds(self) -> Self:
        if not self.low < self.high or (self.log and self.low <= 0):
            raise ValueError("low has to be less than high, and more than 0 where log is true")
        return self


class SweepSpace(BaseModel):
    """The settings of a stage that are searched, and the validation metric of its MLflow run that chooses."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    metric: str = Field(description="Metric of the stage's run; the best value that it logs counts")
    better: Literal["higher", "lower"] = Field(description="Which direction is better")
    trials: int = Field(ge=1, description="Number of trials, the first with the present settings")
    space: dict[str, ChoiceParameter | RangeParameter] = Field(
        min_length=1, description="Search space, by setting"
    )


class SweepSettings(Settings):
    """The searches of `tandem sweep`."""

    conf_file = "sweep.yaml"

    stages: dict[str, SweepSpace] = Field(
        default_factory=dict, description="Searches by the name of their stage"
    )
