"""When runs start by themselves: at their time, on the nights when the clocks change too, and for a new file."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from prefect.server.schemas.schedules import CronSchedule

from flows.deployments import read_deployments

PROJECT = Path(__file__).parents[2]
DEPLOYMENTS = {one.name: one for one in read_deployments(PROJECT / "prefect.yaml")}


def times(name: str, first: date, days: int) -> list[datetime]:
    """When Prefect would start a deployment, in the zone of its schedule, from a day's begin on."""
    schedule = DEPLOYMENTS[name].schedules[0].schedule
    zone = ZoneInfo(schedule.timezone)
    begin = datetime(first.year, first.month, first.day, tzinfo=zone)
    end = datetime.combine(first + timedelta(days=days), datetime.min.time(), tzinfo=zone)
    server = CronSchedule(cron=schedule.cron, timezone=schedule.timezone)
    found = asyncio.run(
        server.get_dates(1000, begin.astimezone(UTC), end.astimezone(UTC) - timedelta(seconds=1))
    )
    return [time.astimezone(zone) for time in found]


@pytest.mark.parametrize("skipped_or_repeated", [date(2026, 3, 29), date(2026, 10, 25)])
def test_the_nightly_run_starts_once_in_the_nights_when_the_clocks_change(skipped_or_repeated: date) -> None:
    around = times("nightly", skipped_or_repeated - timedelta(days=2), 5)
    assert [time.date() for time in around] == [skipped_or_repeated + timedelta(days=n) for n in range(-2, 3)]


def test_the_nightly_run_starts_once_each_night_of_a_year() -> None:
    nights = [time.date() for time in times("nightly", date(2026, 1, 1), 365)]
    assert nights == [date(2026, 1, 1) + timedelta(days=n) for n in range(365)]


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_a_deployment_runs_once_at_a_time_and_its_parameters_fit_the_flow(name: str) -> None:
    deployment = DEPLOYMENTS[name]
    assert deployment.concurrency_limit == 1 and deployment.concurrency_options is not None
    known = deployment._parameter_openapi_schema.properties
    assert set(deployment.parameters) <= set(known)
    assert known["wait_minutes"]["minimum"] == 0 and known["only"]["description"]
