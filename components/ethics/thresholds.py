"""Lines between what is answered and what is blocked, which hold a chosen share of false blocks of each kind of request."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta, binom

Scores = NDArray[np.floating]


def line_for(scores: Scores, rate: float, confidence: float) -> float:
    """The lowest line so that, with this confidence, no larger share of such texts (t,) lies above it.

    That is the exact binomial bound (Clopper and Pearson, 1934). Of too few texts to be so sure, the highest score.
    """
    allowed = int(binom.ppf(1 - confidence, len(scores), rate))
    if binom.cdf(allowed, len(scores), rate) > 1 - confidence:
        allowed -= 1
    return float(np.sort(scores)[::-1][max(0, allowed)])


def upper_bound(blocked: int, texts: int, confidence: float) -> float:
    """The largest share that so many blocked texts leave possible, with this confidence."""
    return 1.0 if blocked >= texts else float(beta.ppf(confidence, blocked + 1, texts - blocked))


@dataclass(frozen=True)
class BlockLimit:
    """The share of a kind of texts that may be blocked, and how sure that must be; None where the share itself counts."""

    rate: float
    confidence: float | None

    def line(self, scores: Scores) -> float:
        """The lowest line that holds the limit on scores (t,)."""
        if self.confidence is None:
            return float(np.quantile(scores, 1 - self.rate))
        return line_for(scores, self.rate, self.confidence)


@dataclass(frozen=True)
class HeldOutScores:
    """Scores (t, draws) of texts by classifiers that have not seen them or their like, and the kind of each text."""

    scores: Scores
    kinds: NDArray[np.str_]

    def threshold(
        self, limits: Mapping[tuple[str, ...], BlockLimit], texts: NDArray[np.bool_] | None = None
    ) -> float:
        """The line that holds every limit, the mean over draws.

        limits: of kinds taken together. texts: (t,) those to set the line by, all where it is None.
        """
        chosen = np.ones(len(self.kinds), bool) if texts is None else texts
        lines = [
            [limit.line(self.scores[own, draw]) for draw in range(self.scores.shape[1])]
            for kinds, limit in limits.items()
            if (own := chosen & np.isin(self.kinds, kinds)).any()
        ]
        return round(float(np.max(lines, axis=0).mean()), 6) if lines else 1.0

    def blocked(
        self, kinds: Sequence[str], limits: Mapping[tuple[str, ...], BlockLimit], seed: int
    ) -> tuple[int, int]:
        """How many texts of some kinds the line of the other half of all texts blocks, and how many there are."""
        first = np.random.default_rng(seed).random(len(self.kinds)) < 0.5
        blocked = 0
        for half in (first, ~first):
            own = self.scores[half & np.isin(self.kinds, kinds)]
            if len(own):
                blocked += int((own.mean(axis=1) > self.threshold(limits, ~half)).sum())
        return blocked, int(np.isin(self.kinds, kinds).sum())

    def of(self, kind: str) -> Scores:
        """Scores (t,) of the texts of a kind, the mean over draws."""
        return self.scores[self.kinds == kind].mean(axis=1)
