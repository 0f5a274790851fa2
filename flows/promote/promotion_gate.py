"""Decide whether a candidate may take the champion's place, from what both answered to the same examination."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from components.core.ranking_metrics import bootstrap_means
from flows.settings import GateRule, GateSettings


@dataclass(frozen=True)
class BundleMetrics:
    """What is known of a bundle: figures by name, and of some of them the value of each example by its id."""

    reported: Mapping[str, float]
    samples: Mapping[str, pd.Series] = field(default_factory=dict)

    def of(self, metric: str) -> float | None:
        """A figure: the mean of its examples where there are some, else as it was reported."""
        if metric in self.samples:
            return float(self.samples[metric].mean()) if len(self.samples[metric]) else None
        return self.reported.get(metric)


@dataclass(frozen=True)
class MetricComparison:
    """The verdict on one metric.

    low, high: the interval of how much better the candidate is, where both answered the same examples. p: how likely
    examples like these are if the candidate is worse by the margin. gained: whether it is better beyond doubt.
    """

    metric: str
    candidate: float | None
    champion: float | None
    passed: bool
    reason: str
    low: float | None = None
    high: float | None = None
    p: float | None = None
    gained: bool = False


@dataclass(frozen=True)
class GateDecision:
    """The gate's decision, with a line a rule."""

    lines: tuple[MetricComparison, ...]

    @property
    def passed(self) -> bool:
        """Whether every rule holds."""
        return all(line.passed for line in self.lines)

    @property
    def gained(self) -> bool:
        """Whether something is better beyond doubt."""
        return any(line.gained for line in self.lines)

    @property
    def failing(self) -> str:
        """The metrics that fail, and why."""
        return "; ".join(f"{line.metric}: {line.reason}" for line in self.lines if not line.passed)


def decide_promotion(
    candidate: BundleMetrics, champion: BundleMetrics | None, gate: GateSettings
) -> GateDecision:
    """Hold a candidate against the champion and against fixed limits.

    Examples that both answered are compared in pairs: the candidate passes where the interval of the difference, by
    bootstrap, lies above the margin's loss, so that one that is worse by the margin passes seldom. Without such
    examples the reported figures are compared with the margin alone. A metric that the candidate lacks fails if the
    champion has it; one that neither has is not judged.
    """
    lines = (_line(name, rule, candidate, champion, gate) for name, rule in gate.rules.items())
    return GateDecision(tuple(line for line in lines if line is not None))


def _line(
    name: str, rule: GateRule, candidate: BundleMetrics, champion: BundleMetrics | None, gate: GateSettings
) -> MetricComparison | None:
    new, old = candidate.of(name), champion.of(name) if champion else None
    if new is None:
        if old is None:
            return None
        return MetricComparison(name, new, old, False, "the candidate does not report it, the champion does")
    sign = 1 if rule.better == "higher" else -1
    if rule.limit is not None and not sign * (new - rule.limit) >= 0:
        return MetricComparison(name, new, old, False, f"beyond the limit {rule.limit:g}")
    if champion is None or old is None:
        return MetricComparison(name, new, old, not math.isnan(new), "no champion yet")
    if name in candidate.samples and name in champion.samples:
        paired = pd.concat([candidate.samples[name], champion.samples[name]], axis=1, join="inner").to_numpy()
        if len(paired):
            return _paired(name, rule, sign * (paired[:, 0] - paired[:, 1]), paired.mean(axis=0), gate)
    return _reported(name, rule, sign * (new - old), new, old)


def _reported(name: str, rule: GateRule, difference: float, new: float, old: float) -> MetricComparison:
    """The verdict on two figures of which nothing else is known."""
    if not difference >= -rule.margin:
        return MetricComparison(name, new, old, False, f"worse by more than {rule.margin:g}")
    return MetricComparison(name, new, old, True, "not worse", gained=rule.gain and difference > rule.margin)


def _paired(
    name: str,
    rule: GateRule,
    differences: NDArray[np.float64],
    means: NDArray[np.float64],
    gate: GateSettings,
) -> MetricComparison:
    """The verdict on examples that both answered: how much better the candidate is, and how sure that is."""
    new, old = (float(mean) for mean in means)
    resampled = bootstrap_means(differences, gate.resamples, gate.seed)
    tail = (1 - gate.confidence) / 2
    low, high = (float(bound) for bound in np.quantile(resampled, [tail, 1 - tail]))
    p = float((1 + (resampled <= -rule.margin).sum()) / (1 + len(resampled)))
    if differences.mean() < -rule.margin:
        reason = f"worse by more than {rule.margin:g}"
    elif low < -rule.margin:
        reason = f"may be worse by more than {rule.margin:g} (p {p:.3f})"
    else:
        gained = rule.gain and float(np.quantile(resampled, tail / len(gate.rules))) > 0
        return MetricComparison(
            name, new, old, True, "better" if gained else "not worse", low, high, p, gained
        )
    return MetricComparison(name, new, old, False, reason, low, high, p)
