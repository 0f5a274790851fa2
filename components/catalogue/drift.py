"""Judge a feed before anything is trained on it: its volume, freshness, doubles and drift, by limits of the settings.

Drift of numbers is the Kolmogorov-Smirnov statistic, drift of names the population stability index (PSI; Yurdakul,
Statistical properties of PSI, 2018). Both are allowed what chance alone makes of samples of that size.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import chi2, ks_2samp, kstwobign

from components.catalogue.data_profile import Profile
from components.catalogue.settings import DriftLimits
from components.catalogue.tables import CatalogueError

DAY = 86_400
FEW = 20
CHANCE = 0.001
FLOOR = 1e-4


class DriftError(CatalogueError):
    """A feed that is not to be trained on: names each figure, its limit, and how to let it pass on purpose."""


@dataclass(frozen=True)
class DriftFinding:
    """One figure of a feed beside the last accepted one's, and whether it holds its limit."""

    figure: str
    value: float
    accepted: float | None
    limit: str
    passed: bool
    key: str

    def __str__(self) -> str:
        beside = "" if self.accepted is None else f", {self.accepted:g} in the last accepted feed"
        return f"{self.figure} is {self.value:g}{beside}; the limit is {self.limit} (drift.{self.key})"


def judge(feed: Profile, accepted: Profile | None, limits: DriftLimits) -> list[DriftFinding]:
    """Hold a feed's figures against fixed limits, and against the last accepted feed of the same source, if any."""
    findings = [*_alone(feed, limits)]
    if accepted is not None and accepted["source"] == feed["source"]:
        findings += [
            *_volume(feed, accepted, limits),
            *_filled(feed, accepted, limits),
            *_numbers(feed, accepted, limits),
            *_names(feed, accepted, limits),
        ]
    return findings


def demand(findings: list[DriftFinding]) -> None:
    """Raise FeedError where a figure is beyond its limit."""
    failing = [finding for finding in findings if not finding.passed]
    if failing:
        told = "\n".join(f"  {finding}" for finding in failing)
        raise DriftError(
            f"The feed is not trained on, the champion stays:\n{told}\n"
            "Mend the feed; or, if it is right: `tandem accept-feed` takes it as it is for what later feeds are "
            "held against, and a limit is raised in conf/catalogue.yaml."
        )


def _alone(feed: Profile, limits: DriftLimits) -> Iterator[DriftFinding]:
    for table, share in feed["set_aside"].items():
        yield _most(
            f"share of {table} set aside", share, None, limits.max_quarantined_share, "max_quarantined_share"
        )
    for table, share in feed["doubled"].items():
        yield _most(
            f"share of {table} that are doubles",
            share,
            None,
            limits.max_duplicate_share,
            "max_duplicate_share",
        )
    if limits.max_age_days is not None and feed["rows"]["interactions"]:
        days = round((time.time() - (feed["newest"] or 0)) / DAY, 2)
        yield _most("days since the newest interaction", days, None, limits.max_age_days, "max_age_days")


def _volume(feed: Profile, accepted: Profile, limits: DriftLimits) -> Iterator[DriftFinding]:
    """Fewer or more rows than a share of the last ones; a handful of rows may come and go, but not all of them."""
    for name, before in accepted["rows"].items():
        now = feed["rows"].get(name, 0)
        if before == 0:
            continue
        least, most = (
            (1.0, np.inf) if before < FEW else (before * limits.min_row_ratio, before * limits.max_row_ratio)
        )
        limit = f"{least:g} to {most:g}"
        yield DriftFinding(
            f"rows of {name}",
            now,
            before,
            limit,
            bool(least <= now <= most),
            "min_row_ratio, drift.max_row_ratio",
        )


def _filled(feed: Profile, accepted: Profile, limits: DriftLimits) -> Iterator[DriftFinding]:
    """A column that was filled and is so no more has most often got another name, or another meaning."""
    for column, before in accepted["filled"].items():
        now, least = feed["filled"].get(column, 0.0), before - limits.max_fill_drop
        if least > 0:
            limit = f"at least {least:g}"
            yield DriftFinding(f"share of filled {column}", now, before, limit, now >= least, "max_fill_drop")


def _numbers(feed: Profile, accepted: Profile, limits: DriftLimits) -> Iterator[DriftFinding]:
    for column, before in accepted["numbers"].items():
        now = feed["numbers"].get(column, {"count": 0, "quantiles": []})
        if min(now["count"], before["count"]) < FEW:
            continue
        drift = float(ks_2samp(now["quantiles"], before["quantiles"]).statistic)
        chance = float(kstwobign.isf(CHANCE)) * np.sqrt(1 / now["count"] + 1 / before["count"])
        limit = max(limits.max_ks_statistic, float(chance))
        yield _most(f"drift (KS) of {column}", round(drift, 4), None, limit, "max_ks_statistic")


def _names(feed: Profile, accepted: Profile, limits: DriftLimits) -> Iterator[DriftFinding]:
    for column, before in accepted["names"].items():
        now = feed["names"].get(column, {"count": 0, "shares": {}})
        if min(now["count"], before["count"]) < FEW:
            continue
        drift, parts = stability(before["shares"], now["shares"])
        chance = chi2.isf(CHANCE, max(parts - 1, 1)) * (1 / now["count"] + 1 / before["count"])
        limit = max(limits.max_psi, float(chance))
        yield _most(f"drift (PSI) of {column}", round(drift, 4), None, limit, "max_psi")


def stability(before: dict[str, float], now: dict[str, float]) -> tuple[float, int]:
    """The population stability index of shares by name, and over how many parts it goes.

    Names of which only one side knows the share count to the rest where that side has one.
    """
    names = [name for name in before if name]
    ahead = np.array([*(before[name] for name in names), before.get("", 0.0)])
    after = np.array([now.get(name, 0.0) for name in names])
    after = np.append(after, max(0.0, 1 - after.sum()))
    ahead, after = np.maximum(ahead, FLOOR), np.maximum(after, FLOOR)
    return float(((after - ahead) * np.log(after / ahead)).sum()), len(ahead)


def _most(figure: str, value: float, accepted: Any, limit: float, key: str) -> DriftFinding:
    return DriftFinding(figure, value, accepted, f"at most {limit:.4g}", value <= limit, key)
