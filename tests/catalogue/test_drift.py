"""A feed is held against the last accepted one before anything is trained on it."""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from components.catalogue.data_profile import Profile, profile_tables
from components.catalogue.drift import (
    DriftError,
    DriftFinding,
    check_drift,
    raise_if_failing,
    stability_index,
)
from components.catalogue.folder_source import read_folder
from components.catalogue.settings import DriftLimits
from components.catalogue.validation import validate_tables

LIMITS = DriftLimits()
Feed = Callable[..., Profile]


def items(rows: int = 400, seed: int = 0, dearer: float = 1.0) -> pd.DataFrame:
    draw = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "item_id": [f"i{n}" for n in range(rows)],
            "title": [f"Item {n}" for n in range(rows)],
            "category": draw.choice(["hats", "coats", "shoes"], rows, p=[0.5, 0.3, 0.2]),
            "price": (draw.lognormal(3, 0.5, rows) * dearer).round(2),
            "colour": draw.choice(["red", "blue"], rows),
        }
    )


def actions(rows: int = 2000, seed: int = 0, over: int = 100) -> pd.DataFrame:
    draw = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "user_id": [f"u{n}" for n in draw.integers(0, 300, rows)],
            "item_id": [f"i{n}" for n in draw.integers(0, over, rows)],
            "timestamp": draw.integers(1_700_000_000, 1_710_000_000, rows),
        }
    )


@pytest.fixture
def feed(tmp_path: Path) -> Feed:
    """Write tables as a person's folder of CSVs, read and check them, and describe what is found."""

    def read(source: str = "folder", **tables: pd.DataFrame) -> Profile:
        given = {"items": items(), "interactions": actions()} | tables
        for name, table in given.items():
            table.to_csv(tmp_path / f"{name}.csv", index=False)
        return profile_tables(validate_tables(read_folder(tmp_path, ".")), source)

    return read


def failing(findings: list[DriftFinding]) -> list[str]:
    return [finding.figure for finding in findings if not finding.passed]


def test_the_same_feed_and_another_sample_of_the_same_shop_pass(feed: Feed) -> None:
    accepted = feed()
    assert failing(check_drift(accepted, accepted, LIMITS)) == []
    for seed in range(1, 6):
        another = feed(items=items(seed=seed), interactions=actions(seed=seed))
        assert failing(check_drift(another, accepted, LIMITS)) == []


def test_small_samples_of_the_same_shop_are_not_stopped_by_chance(feed: Feed) -> None:
    accepted = feed(items=items(30), interactions=actions(60, over=30))
    stopped = [
        seed
        for seed in range(1, 21)
        if failing(
            check_drift(feed(items=items(30, seed), interactions=actions(60, seed, 30)), accepted, LIMITS)
        )
    ]
    assert len(stopped) <= 1


@pytest.mark.parametrize("rows", [0, 150, 25_000])
def test_an_empty_a_thin_and_a_tenfold_feed_stop_with_figure_limit_and_remedy(feed: Feed, rows: int) -> None:
    accepted = feed()
    findings = check_drift(feed(interactions=actions(rows)), accepted, LIMITS)
    assert "rows of interactions" in failing(findings)
    with pytest.raises(DriftError) as raised:
        raise_if_failing(findings)
    told = str(raised.value)
    assert f"rows of interactions is {rows:g}, 2000 in the last accepted feed" in told
    assert "the limit is 1000 to 10000 (drift.min_row_ratio, drift.max_row_ratio)" in told
    assert "tandem accept-feed" in told and "conf/catalogue.yaml" in told


def test_a_renamed_column_stops(feed: Feed) -> None:
    accepted = feed()
    found = failing(check_drift(feed(items=items().rename(columns={"price": "cost"})), accepted, LIMITS))
    assert found == ["share of filled items.price"]
    found = failing(check_drift(feed(items=items().drop(columns="colour")), accepted, LIMITS))
    assert found == ["share of filled items.attributes.colour"]


def test_prices_in_cents_and_other_categories_are_drift(feed: Feed) -> None:
    accepted = feed()
    assert failing(check_drift(feed(items=items(dearer=100)), accepted, LIMITS)) == [
        "drift (KS) of items.price"
    ]
    others = items().replace({"category": {"hats": "garden"}})
    assert failing(check_drift(feed(items=others), accepted, LIMITS)) == ["drift (PSI) of items.category"]


def test_doubles_and_rows_set_aside_stop_even_the_first_feed(feed: Feed) -> None:
    again = pd.concat([actions(), actions().head(1000)])
    assert failing(check_drift(feed(interactions=again), None, LIMITS)) == [
        "share of interactions that are doubles"
    ]
    strangers = actions().assign(item_id="nobody")
    assert failing(check_drift(feed(interactions=strangers), None, LIMITS)) == [
        "share of interactions set aside"
    ]


def test_a_feed_whose_newest_action_is_old_is_not_fresh(feed: Feed) -> None:
    weekly = LIMITS.model_copy(update={"max_age_days": 7})
    assert failing(check_drift(feed(), None, weekly)) == ["days since the newest interaction"]
    today = actions().assign(timestamp=int(time.time()))
    assert failing(check_drift(feed(interactions=today), None, weekly)) == []


def test_another_source_is_held_against_fixed_limits_only(feed: Feed) -> None:
    assert failing(check_drift(feed("fashion", interactions=actions(10)), feed("movielens"), LIMITS)) == []


def test_the_stability_index_is_that_of_its_definition() -> None:
    before, now = {"a": 0.5, "b": 0.3, "": 0.2}, {"a": 0.4, "b": 0.4, "c": 0.15, "": 0.05}
    expected = sum((q - p) * np.log(q / p) for p, q in ((0.5, 0.4), (0.3, 0.4), (0.2, 0.2)))
    value, parts = stability_index(before, now)
    assert value == pytest.approx(expected) and parts == 3
