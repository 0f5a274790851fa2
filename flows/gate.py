"""Decide whether a candidate may take the champion's place, from the manifests of both bundles."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from flows.settings import Rule


@dataclass(frozen=True)
class Line:
    """The verdict on one metric."""

    metric: str
    candidate: float | None
    champion: float | None
    passed: bool
    reason: str


@dataclass(frozen=True)
class Verdict:
    """The gate's decision, with a line a rule."""

    lines: tuple[Line, ...]

    @property
    def passed(self) -> bool:
        """Whether every rule holds."""
        return all(line.passed for line in self.lines)


def judge(
    candidate: Mapping[str, float], champion: Mapping[str, float] | None, gate: Mapping[str, Rule]
) -> Verdict:
    """Hold a candidate's metrics against the champion's and against fixed limits.

    A metric that the candidate lacks fails if the champion has it; one that neither has is not judged.
    """
    lines = [
        _line(name, rule, candidate.get(name), (champion or {}).get(name)) for name, rule in gate.items()
    ]
    return Verdict(tuple(line for line in lines if line is not None))


def _line(name: str, rule: Rule, candidate: float | None, champion: float | None) -> Line | None:
    if candidate is None:
        if champion is None:
            return None
        return Line(name, candidate, champion, False, "the candidate does not report it, the champion does")
    sign = 1 if rule.better == "higher" else -1
    if rule.limit is not None and not sign * (candidate - rule.limit) >= 0:
        return Line(name, candidate, champion, False, f"beyond the limit {rule.limit:g}")
    if champion is None:
        return Line(name, candidate, champion, not math.isnan(candidate), "no champion to compare with")
    if not sign * (candidate - champion) >= -rule.margin:
        return Line(name, candidate, champion, False, f"worse by more than {rule.margin:g}")
    return Line(name, candidate, champion, True, "not worse")
