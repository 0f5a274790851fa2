"""Checks of a feed before anything is trained on it: volume, freshness, duplicates and drift, by the settings' limits.

The drift of numbers is the Kolmogorov-Smirnov statistic, the drift of names the population stability index (PSI;
Yurdakul, Statistical properties of PSI, 2018). Both limits rise to what chance alone gives samples of that size.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2, ks_2samp, kstwobign

from components.catalogue.data_profile import Profile
from components.catalogue.settings import DriftLimits
from components.catalogue.tables import CatalogueError

DAY_SECONDS = 86_400
MIN_COUNT = 20  # below it, a ratio or a distribution says nothing
SIGNIFICANCE = 0.001  # small: a run tests about ten columns, and a false alarm stops it
MIN_SHARE = 1e-4  # stands for a share of 0, whose logarithm PSI could not take


class DriftError(CatalogueError):
    """A feed that must not be trained on: names each value, its limit, and how to accept the feed on purpose."""


@dataclass(frozen=True)
class DriftFinding:
    """One value of a feed, that of the last accepted feed, and whether it is within its limit."""

    figure: str
    value: float
    accepted: float | None
    limit: str
    passed: bool
    key: str

    def __str__(self) -> str:
        before = "" if self.accepted is None else f", {self.accepted:g} in the last accepted feed"
        return f"{self.figure} is {self.value:g}{before}; the limit is {self.limit} (drift.{self.key})"


def check_drift(feed: Profile, accepted: Profile | None, limits: DriftLimits) -> list[DriftFinding]:
    """Compare a feed with fixed limits, and with the last accepted feed if that has the same source."""
    findings = [*_check_alone(feed, limits)]
    # Two catalogues differ in everything, so another source begins anew
    if accepted is not None and accepted["source"] == feed["source"]:
        for check in (_compare_rows, _compare_filled, _compare_numbers, _compare_names):
            findings += check(feed, accepted, limits)
    return findings


def raise_if_failing(findings: list[DriftFinding]) -> None:
    """Raise DriftError where a value is beyond its limit."""
    failing = [f"  {finding}" for finding in findings if not finding.passed]
    if failing:
        listed = "\n".join(failing)
        raise DriftError(
            f"The feed is not trained on, the champion stays:\n{listed}\n"
            "Correct the feed. If it is right, accept it with `tandem accept-feed`: later feeds are then compared "
            "with it. To change a limit, edit conf/catalogue.yaml."
        )


def _check_alone(feed: Profile, limits: DriftLimits) -> Iterator[DriftFinding]:
    for table, share in feed["set_aside"].items():
        figure = f"share of {table} set aside"
        yield _limit_from_above(figure, share, limits.max_quarantined_share, "max_quarantined_share")
    for table, share in feed["doubled"].items():
        figure = f"share of {table} that are doubles"
        yield _limit_from_above(figure, share, limits.max_duplicate_share, "max_duplicate_share")
    if limits.max_age_days is not None and feed["rows"]["interactions"]:
        days = round((time.time() - (feed["newest"] or 0)) / DAY_SECONDS, 2)
        yield _limit_from_above(
            "days since the newest interaction", days, limits.max_age_days, "max_age_days"
        )


def _compare_rows(feed: Profile, accepted: Profile, limits: DriftLimits) -> Iterator[DriftFinding]:
    """Compare the rows of each table; a handful of rows may come and go, but not all of them."""
    for name, before in accepted["rows"].items():
        if before == 0:
            continue
        least, most = before * limits.min_row_ratio, before * limits.max_row_ratio
        if before < MIN_COUNT:
            least, most = 1.0, np.inf
        rows = feed["rows"].get(name, 0)
        yield DriftFinding(
            f"rows of {name}",
            rows,
            accepted=before,
            limit=f"{least:g} to {most:g}",
            passed=bool(least <= rows <= most),
            key="min_row_ratio, drift.max_row_ratio",
        )


def _compare_filled(feed: Profile, accepted: Profile, limits: DriftLimits) -> Iterator[DriftFinding]:
    """Compare filled columns: one that is empty now has most often got another name, or another meaning."""
    for column, before in accepted["filled"].items():
        share, least = feed["filled"].get(column, 0.0), before - limits.max_fill_drop
        if least > 0:
            yield DriftFinding(
                f"share of filled {column}",
                share,
                accepted=before,
                limit=f"at least {least:g}",
                passed=share >= least,
                key="max_fill_drop",
            )


def _compare_numbers(feed: Profile, accepted: Profile, limits: DriftLimits) -> Iterator[DriftFinding]:
    for column, before in accepted["numbers"].items():
        now = feed["numbers"].get(column, {"count": 0, "quantiles": []})
        # A column that is empty now has failed as not filled
        if min(now["count"], before["count"]) < MIN_COUNT:
            continue
        drift = float(ks_2samp(now["quantiles"], before["quantiles"]).statistic)
        chance = float(kstwobign.isf(SIGNIFICANCE)) * np.sqrt(1 / now["count"] + 1 / before["count"])
        limit = max(limits.max_ks_statistic, float(chance))
        yield _limit_from_above(f"drift (KS) of {column}", round(drift, 4), limit, "max_ks_statistic")


def _compare_names(feed: Profile, accepted: Profile, limits: DriftLimits) -> Iterator[DriftFinding]:
    for column, before in accepted["names"].items():
        now = feed["names"].get(column, {"count": 0, "shares": {}})
        if min(now["count"], before["count"]) < MIN_COUNT:
            continue
        drift, parts = stability_index(before["shares"], now["shares"])
        # Under no drift, PSI is distributed as chi-squared times this sum (Yurdakul, 2018)
        chance = chi2.isf(SIGNIFICANCE, max(parts - 1, 1)) * (1 / now["count"] + 1 / before["count"])
        limit = max(limits.max_psi, float(chance))
        yield _limit_from_above(f"drift (PSI) of {column}", round(drift, 4), limit, "max_psi")


def stability_index(before: dict[str, float], now: dict[str, float]) -> tuple[float, int]:
    """Return the population stability index of shares by name, and the number of parts that it compares.

    A name that only one side has counts to the other side's rest, if that has one.
    """
    names = [*filter(None, before)]
    old = np.array([*map(before.__getitem__, names), before.get("", 0.0)])
    new = np.array([now.get(name, 0.0) for name in names])
    new = np.append(new, max(0.0, 1 - new.sum()))
    old, new = np.maximum(old, MIN_SHARE), np.maximum(new, MIN_SHARE)
    return float(((new - old) * np.log(new / old)).sum()), len(old)


def _limit_from_above(figure: str, value: float, limit: float, key: str) -> DriftFinding:
    return DriftFinding(
        figure, value, accepted=None, limit=f"at most {limit:.4g}", passed=value <= limit, key=key
    )
