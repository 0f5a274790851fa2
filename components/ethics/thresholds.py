"""Thresholds between answered and blocked texts that limit the false blocks of each kind of harmless text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta, binom

Scores = NDArray[np.floating]


def binomial_threshold(scores: Scores, rate: float, confidence: float) -> float:
    """Return the lowest threshold below which, with this confidence, all but a share `rate` of such texts (t,) lie.

    That is the exact binomial bound (Clopper and Pearson, 1934). It is the highest score where there are too few texts
    for that confidence.
    """
    allowed = int(binom.ppf(1 - confidence, len(scores), rate))
    # ppf gives the first count that reaches the probability, and so exceeds it nearly always
    if binom.cdf(allowed, len(scores), rate) > 1 - confidence:
        allowed -= 1
    return float(np.sort(scores)[::-1][max(0, allowed)])


def upper_bound(blocked: int, texts: int, confidence: float) -> float:
    """Return the largest share of blocked texts that the counts leave possible, with this confidence."""
    return 1.0 if blocked >= texts else float(beta.ppf(confidence, blocked + 1, texts - blocked))


@dataclass(frozen=True)
class BlockLimit:
    """The share of a kind of texts that may be blocked, and the confidence in it; None takes the share of the sample."""

    rate: float
    confidence: float | None

    def find_threshold(self, scores: Scores) -> float:
        """Return the lowest threshold that holds the limit on scores (t,)."""
        if self.confidence is None:
            return float(np.quantile(scores, 1 - self.rate))
        return binomial_threshold(scores, self.rate, self.confidence)


@dataclass(frozen=True)
class HeldOutScores:
    """Scores (t, draws) of texts by classifiers that have not seen them, and the kind (t,) of each text."""

    scores: Scores
    kinds: NDArray[np.str_]

    def find_threshold(
        self, limits: Mapping[tuple[str, ...], BlockLimit], texts: NDArray[np.bool_] | None = None
    ) -> float:
        """Return the threshold that holds every limit, the mean over draws.

        limits: of kinds taken together. texts: (t,) those to set the threshold by, all where it is None.
        """
        chosen = np.ones(len(self.kinds), bool) if texts is None else texts
        thresholds = []
        for kinds, limit in limits.items():
            own = self.scores[chosen & np.isin(self.kinds, kinds)]
            if len(own):
                thresholds.append([*map(limit.find_threshold, own.T)])
        # The strictest limit counts in each draw; without any harmless text nothing is blocked
        return round(float(np.max(thresholds, axis=0).mean()), 6) if thresholds else 1.0

    def count_blocked(
        self, kinds: Sequence[str], limits: Mapping[tuple[str, ...], BlockLimit], seed: int
    ) -> tuple[int, int]:
        """Return how many texts of some kinds the threshold of the other half of all texts blocks, and their number."""
        first = np.random.default_rng(seed).random(len(self.kinds)) < 0.5
        is_kind = np.isin(self.kinds, kinds)
        blocked = 0
        # No text sets the threshold that it is counted by, which would hold the limits by construction
        for half in (first, ~first):
            own = self.scores[half & is_kind]
            if len(own):
                blocked += int((own.mean(axis=1) > self.find_threshold(limits, ~half)).sum())
        return blocked, int(is_kind.sum())

    def mean_scores(self, kind: str) -> Scores:
        """Return the scores (t,) of the texts of a kind, the mean over draws."""
        return self.scores[self.kinds == kind].mean(axis=1)
