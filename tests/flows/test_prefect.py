"""What Prefect is told of a run: its tables and plots, its crash, and who is to be notified."""

import json
import os
import signal
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import FlowRun
from prefect.settings import PREFECT_API_URL
from prefect.types import SecretDict

from flows.run.nightly import RunError, nightly
from tests.flows.test_nightly import start, wait_for


def last_run(project: Path) -> FlowRun:
    with get_client(sync_client=True) as client:
        return client.read_flow_run((project / ".tandem/last-run").read_text().strip())  # type: ignore[arg-type]


def states_of_tasks(run: FlowRun) -> dict[str, str]:
    with get_client(sync_client=True) as client:
        tasks = client.read_task_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[run.id])))
    return {task.name: task.state_name or "" for task in tasks}


def test_a_run_that_was_killed_is_shown_as_crashed_with_its_stages_once_the_next_begins(
    project: Path,
) -> None:
    (project / "conf/squares.yaml").write_text("sleep: 600\n")
    killed = start(project, api=PREFECT_API_URL.value())
    wait_for(project / ".tandem/logs/squares.log", "squaring")
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    run = last_run(project)
    assert run.state_name == "Running"
    (project / "conf/squares.yaml").write_text("sleep: 0\n")
    nightly(project, publishing=False)
    with get_client(sync_client=True) as client:
        assert client.read_flow_run(run.id).state_name == "Crashed"
    assert states_of_tasks(run)["squares"] == "Crashed"
    assert last_run(project).state_name == "Completed"


@pytest.fixture
def received() -> Iterator[list[dict[str, Any]]]:
    """What a webhook of this machine is sent, by a Prefect block named custom-webhook/tandem-test."""
    bodies: list[dict[str, Any]] = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    server = HTTPServer(("127.0.0.1", 0), Hook)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    CustomWebhookNotificationBlock(
        name="test",
        url=f"http://127.0.0.1:{server.server_port}/",
        json_data={"subject": "{{subject}}", "body": "{{body}}"},
        secrets=SecretDict({}),
    ).save("tandem-test", overwrite=True)
    yield bodies
    server.shutdown()


def test_a_failed_run_is_told_of_through_the_named_block_and_a_missing_block_stops_nothing(
    project: Path, received: list[dict[str, Any]]
) -> None:
    settings = {"notify": ["slack-webhook/nobody", "custom-webhook/tandem-test"]}
    (project / "conf/nightly.yaml").write_text(yaml.safe_dump(settings))
    nightly(project, publishing=False)
    assert received == [], "a run that changes nothing for anybody is not told of"
    (project / "conf/squares.yaml").write_text("fail: true\n")
    with pytest.raises(RunError):
        nightly(project, publishing=False)
    assert received[0]["subject"].endswith("failed")
    assert "word 3: is not a number" in received[0]["body"]


def test_a_runs_page_has_a_table_of_its_stages_and_the_plots_of_what_is_new(project: Path) -> None:
    graph = yaml.safe_load((project / "dvc.yaml").read_text())
    graph["stages"]["curve"] = {
        "cmd": "printf 'step,loss\\n0,3\\n1,2\\n' > curve.csv",
        "plots": [{"curve.csv": {"x": "step", "y": "loss", "title": "A loss"}}],
    }
    (project / "dvc.yaml").write_text(yaml.safe_dump(graph))
    nightly(project, publishing=False)
    with get_client(sync_client=True) as client:
        shown = client._client.post(
            "/artifacts/filter", json={"flow_runs": {"id": {"any_": [str(last_run(project).id)]}}}
        )
    page = {artifact["key"]: artifact["data"] for artifact in shown.json()}
    assert "| squares |  | ran |" in page["stages"]
    assert "### A loss" in page["plots"] and "data:image/png;base64," in page["plots"]
