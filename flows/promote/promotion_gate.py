"""Decide whether a candidate may become champion, from what both answered to the same evaluation set."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from operator import attrgetter

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from components.core.ranking_metrics import bootstrap_means
from flows.settings import GateRule, GateSettings


@dataclass(frozen=True)
class BundleMetrics:
    """A bundle's metrics: reported figures by name, and for some of them the value of each example by its id."""

    reported: Mapping[str, float]
    samples: Mapping[str, pd.Series] = field(default_factory=dict)

    def get_metric(self, name: str) -> float | None:
        """Return the mean of a metric's examples if there are some, else the reported figure."""
        if name in self.samples:
            return float(self.samples[name].mean()) if len(self.samples[name]) else None
        return self.reported.get(name)


@dataclass(frozen=True)
class MetricComparison:
    """The verdict on one metric.

    low, high: the interval of the improvement, where both answered the same examples. p: the probability of such
    examples if the candidate were worse by the margin. gained: whether it is better beyond doubt.
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
    """The gate's decision, with a line per rule."""

    lines: tuple[MetricComparison, ...]

    @property
    def passed(self) -> bool:
        """Whether every rule holds."""
        return all(map(attrgetter("passed"), self.lines))

    @property
    def is_gain(self) -> bool:
        """Whether at least one metric is better beyond doubt."""
        return any(map(attrgetter("gained"), self.lines))

    @property
    def failure_reasons(self) -> str:
        """The metrics that fail, and why."""
        return "; ".join(f"{line.metric}: {line.reason}" for line in self.lines if not line.passed)


def decide_promotion(
    candidate: BundleMetrics, champion: BundleMetrics | None, gate: GateSettings
) -> GateDecision:
    """Compare a candidate with the champion and with fixed limits.

    Examples that both answered are compared in pairs. The candidate passes if the bootstrap interval of the difference
    lies above minus the margin, so that a candidate that is worse by the margin seldom passes. Without such examples
    the reported figures are compared by the margin alone. A metric that the candidate lacks fails if the champion has
    it; a metric that neither has is skipped.
    """
    lines = []
    for name, rule in gate.rules.items():
        line = _compare_metric(name, rule, candidate=candidate, champion=champion, gate=gate)
        if line is not None:
            lines.append(line)
    return GateDecision(tuple(lines))


def _compare_metric(
    name: str, rule: GateRule, candidate: BundleMetrics, champion: BundleMetrics | None, gate: GateSettings
) -> MetricComparison | None:
    new, old = candidate.get_metric(name), champion.get_metric(name) if champion else None
    compared = partial(MetricComparison, name, new, old)
    if new is None:
        lost = compared(passed=False, reason="the candidate does not report it, the champion does")
        return None if old is None else lost
    sign = 1 if rule.better == "higher" else -1
    # `not >=` in place of `<`: every comparison with NaN is false, so that NaN fails here.
    if rule.limit is not None and not sign * (new - rule.limit) >= 0:
        return compared(passed=False, reason=f"beyond the limit {rule.limit:g}")
    if champion is None or old is None:
        return compared(passed=not math.isnan(new), reason="no champion yet")
    if name in candidate.samples and name in champion.samples:
        # An inner join: an example that only one has, such as a new user, says nothing of the difference.
        paired = pd.concat([candidate.samples[name], champion.samples[name]], axis=1, join="inner").to_numpy()
        if len(paired):
            differences = sign * (paired[:, 0] - paired[:, 1])
            return _compare_pairs(name, rule, differences=differences, means=paired.mean(axis=0), gate=gate)
    difference = sign * (new - old)
    if not difference >= -rule.margin:
        return compared(passed=False, reason=f"worse by more than {rule.margin:g}")
    # Two bare figures have no interval, so that only more than the margin counts as a gain.
    return compared(passed=True, reason="not worse", gained=rule.gain and difference > rule.margin)


def _compare_pairs(
    name: str,
    rule: GateRule,
    differences: NDArray[np.float64],
    means: NDArray[np.float64],
    gate: GateSettings,
) -> MetricComparison:
    """Return the verdict on examples that both answered, from the bootstrap of their differences."""
    resampled = bootstrap_means(differences, gate.resamples, gate.seed)
    tail = (1 - gate.confidence) / 2
    low, high = np.quantile(resampled, [tail, 1 - tail])
    # Plus one on both sides: a p-value of a finite bootstrap is never exactly 0 (Davison and Hinkley, 1997, ch. 4).
    p = float((1 + (resampled <= -rule.margin).sum()) / (1 + len(resampled)))
    compared = partial(
        MetricComparison, name, float(means[0]), float(means[1]), low=float(low), high=float(high), p=p
    )
    if differences.mean() < -rule.margin:
        return compared(passed=False, reason=f"worse by more than {rule.margin:g}")
    if low < -rule.margin:
        return compared(passed=False, reason=f"may be worse by more than {rule.margin:g} (p {p:.3f})")
    # Bonferroni over the rules: one gain publishes, and with many rules chance alone would find one.
    gained = rule.gain and float(np.quantile(resampled, tail / len(gate.rules))) > 0
    return compared(passed=True, reason="better" if gained else "not worse", gained=gained)
