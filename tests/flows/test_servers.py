"""What a team runs in place of one machine's files: S3 behind DVC and MLflow, Postgres behind MLflow and Prefect."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import httpx
import mlflow
import pytest
import yaml
from sqlalchemy import create_engine, text

from benchmarks.postgres import postgres, programs
from components.bundle.manifest import identify_bundle, verify_files
from flows.promote.publish import publish_candidate
from flows.promote.registry import Registry
from flows.settings import NightlySettings
from tests.servers import S3_KEYS, Wire, free_port, running

PROJECT = Path(__file__).parents[2]
BUCKET = "tandem"
FILES = 4
needs_postgres = pytest.mark.skipif(
    programs() is None, reason="Postgres is not installed: apt-get install postgresql"
)


@pytest.fixture
def s3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A real S3 server with an empty bucket; gives its port."""
    for name, value in S3_KEYS.items():
        monkeypatch.setenv(name, value)
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    log = tmp_path / "s3.log"
    with running("moto.server", "-H", "127.0.0.1", "-p", port, health=f"{address}/moto-api/", log=log):
        client(port).create_bucket(Bucket=BUCKET)
        yield port


def client(port: int) -> Any:
    return boto3.client("s3", endpoint_url=f"http://127.0.0.1:{port}")


def stored(port: int) -> dict[str, int]:
    """Name and size of everything in the bucket."""
    found = client(port).list_objects_v2(Bucket=BUCKET).get("Contents", [])
    return {entry["Key"]: entry["Size"] for entry in found}


def dvc(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "dvc", *arguments], cwd=folder, capture_output=True, text=True, check=False,
        env=os.environ | {"AWS_MAX_ATTEMPTS": "1"},
    )  # fmt: skip


def clone(project: Path, folder: Path) -> Path:
    """What git would hold of a project, somewhere else."""
    held = shutil.ignore_patterns("cache", "tmp", "*.txt")
    return Path(shutil.copytree(project, folder, ignore=held))


@pytest.mark.slow
def test_what_one_clone_pushes_another_pulls_even_after_the_network_dropped_in_the_middle(
    project: Path, ran: Callable[[], list[str]], s3: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    wire = Wire(s3)
    (project / "conf/numbers.yaml").write_text("count: 300000\n")
    assert dvc(project, "remote", "add", "--default", "store", f"s3://{BUCKET}/dvc").returncode == 0
    dvc(project, "remote", "modify", "store", "endpointurl", f"http://127.0.0.1:{wire.port}")
    assert dvc(project, "repro").returncode == 0
    outputs = {name: (project / f"{name}.txt").read_bytes() for name in ran()}
    assert len(outputs) == FILES

    wire.most = 2_000_000
    dropped = dvc(project, "push")
    assert wire.is_cut and dropped.returncode != 0
    assert "failed to push" in dropped.stderr or "ERROR" in dropped.stderr
    sizes = {len(held) for held in outputs.values()}
    assert len(stored(s3)) < FILES and set(stored(s3).values()) <= sizes, (
        "nothing in the store is half-written"
    )

    wire.most = float("inf")
    again = dvc(project, "push")
    assert again.returncode == 0, again.stderr
    assert len(stored(s3)) == FILES
    other = clone(project, tmp_path_factory.mktemp("clone") / "project")
    pulled = dvc(other, "pull")
    assert pulled.returncode == 0, pulled.stderr
    assert {name: (other / f"{name}.txt").read_bytes() for name in outputs} == outputs
    assert "up to date" in dvc(other, "repro").stdout and not (other / "ran.txt").exists()


@pytest.mark.slow
@pytest.mark.postgres
@needs_postgres
def test_a_bundle_is_published_to_a_server_over_postgres_and_s3_and_read_on_another_machine(
    bundle_folder: Path, s3: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, port = tmp_path / "root", free_port()
    shutil.copytree(PROJECT / "components", root / "components")
    shutil.copy(PROJECT / "pyproject.toml", root)
    shutil.copytree(bundle_folder, root / "bundle", copy_function=os.link)
    lock = {"stages": {"bundle": {"cmd": "", "outs": [{"path": "bundle", "md5": "0" * 32}]}}}
    (root / "dvc.lock").write_text(yaml.safe_dump(lock))
    address = f"http://127.0.0.1:{port}"
    with (
        postgres() as database,
        running(
            "mlflow", "server", "--host", "127.0.0.1", "--port", port, "--workers", 1,
            "--backend-store-uri", database, "--artifacts-destination", f"s3://{BUCKET}/mlflow",
            health=f"{address}/health", log=tmp_path / "mlflow.log",
            MLFLOW_S3_ENDPOINT_URL=f"http://127.0.0.1:{s3}",
        ),
    ):  # fmt: skip
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        mlflow.set_tracking_uri(address)
        settings = NightlySettings()
        outcome = publish_candidate(root, settings)
        assert (outcome.version, outcome.published) == ("1", True), outcome.reason
        assert any(name.endswith("manifest.json") for name in stored(s3))
        with create_engine(database).connect() as tables:
            held = tables.execute(text("select name, version from model_versions")).all()
        assert held == [("tandem", 1)]
        registry = Registry(settings.registered_model, tmp_path / "elsewhere")
        champion = registry.get_champion()
        assert champion is not None
        folder = registry.fetch_bundle(champion)
        assert root not in folder.parents
        verify_files(folder)
        assert identify_bundle(folder) == identify_bundle(bundle_folder)


@pytest.mark.slow
@pytest.mark.postgres
@needs_postgres
def test_a_flow_reports_each_stage_to_a_server_over_postgres(
    project: Path, ran: Callable[[], list[str]], tmp_path: Path
) -> None:
    port = free_port()
    api = f"http://127.0.0.1:{port}/api"
    command = (
        "from pathlib import Path; from flows.run.nightly import nightly; nightly(Path(), publishing=False)"
    )
    with (
        postgres() as database,
        running(
            "prefect", "server", "start", "--host", "127.0.0.1", "--port", port, "--no-ui",
            health=f"{api}/health", log=tmp_path / "prefect.log", PREFECT_HOME=str(tmp_path / "prefect"),
            PREFECT_API_DATABASE_CONNECTION_URL=database.replace("psycopg", "asyncpg"),
        ),
    ):  # fmt: skip
        subprocess.run(
            [sys.executable, "-c", command], cwd=project, check=True,
            env=os.environ | {"PREFECT_API_URL": api, "PYTHONPATH": str(PROJECT)},
        )  # fmt: skip
        tasks = httpx.post(f"{api}/task_runs/filter", json={}).json()
        assert {task["name"]: task["state"]["type"] for task in tasks} == dict.fromkeys(ran(), "COMPLETED")
        with create_engine(database).connect() as tables:
            held = tables.execute(text("select name, state_type::text from flow_run")).all()
        assert [state for _, state in held] == ["COMPLETED"]
