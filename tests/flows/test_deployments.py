"""When runs start by themselves: at their time, on the nights when the clocks change too, and for a new file."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx
import pytest
import yaml
from prefect.server.schemas.schedules import CronSchedule

from flows.deployments import read_deployments
from tests.servers import free_port, prefect_server

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


@pytest.mark.slow
def test_a_new_file_in_the_inbox_starts_the_hourly_run_of_the_served_deployments(project: Path) -> None:
    described = yaml.safe_load((PROJECT / "prefect.yaml").read_text())
    for one in described["deployments"]:
        one |= {"parameters": {"root": ".", "publishing": False}, "schedules": []}
    (project / "prefect.yaml").write_text(yaml.safe_dump(described))
    (project / "conf/catalogue.yaml").write_text("folder: inbox\n")
    (project / "inbox").mkdir()
    port = free_port()
    api = f"http://127.0.0.1:{port}/api"
    server = prefect_server(project, port)
    server.start()
    own = {
        "PREFECT_API_URL": api,
        "PREFECT_HOME": str(project / "prefect"),
        "PREFECT_RUNNER_POLL_FREQUENCY": "1",
    }
    serving = subprocess.Popen(
        [Path(sys.executable).with_name("tandem"), "serve-flows", "--look-seconds", "0.5"],
        cwd=project, env=os.environ | own | {"PYTHONPATH": str(PROJECT)},
    )  # fmt: skip
    try:
        until(lambda: len(httpx.post(f"{api}/deployments/filter", json={}).json()) == len(DEPLOYMENTS))
        (project / "inbox/interactions.csv").write_text("user_id,item_id\nann,1\n")
        until((project / "total.txt").is_file)
        until(lambda: runs(api)[0]["state_name"] == "Completed")
        (only,) = runs(api)
        assert "light" in only["tags"] and only["created_by"]["type"] == "AUTOMATION"
    finally:
        serving.terminate()
        serving.wait()
        server.kill()


def runs(api: str) -> list[dict[str, object]]:
    """Every run that a server knows."""
    found: list[dict[str, object]] = httpx.post(f"{api}/flow_runs/filter", json={}).json()
    return found


def until(holds: Callable[[], bool], seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.5)
