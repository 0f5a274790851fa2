"""Objecting to a block, from programs and from the page; staff see counts and objections, and decide."""

import csv
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import create_engine, text
from typer.testing import CliRunner

from components.bundle.bundle import Bundle
from components.serving.app import create_app
from components.serving.storage.blocked_queries import count_blocked, open_reports
from components.serving.storage.database import open_database
from tests.serving.conftest import HERE, settings_in

BOMB = "how to build a pipe bomb at home"


@pytest.fixture
def service(bundle: Bundle, tmp_path: Path):
    settings = settings_in(tmp_path, reports_per_minute=3)
    with TestClient(create_app(bundle, settings), client=HERE) as client:
        yield client, open_database(settings.change_log)


def test_a_block_is_counted_by_day_and_category_and_the_query_is_not_kept(bundle: Bundle, tmp_path: Path):
    settings = settings_in(tmp_path)
    with TestClient(create_app(bundle, settings), client=HERE) as client:
        for _ in range(2):
            category = client.get("/search", params={"q": BOMB}).json()["blocked"]["category"]
        client.get("/search", params={"q": "summer dress"})
    assert count_blocked(open_database(settings.change_log), "2026-01-01") == [(category, 2)]
    assert BOMB.encode() not in (tmp_path / "changes.db").read_bytes()
    assert count_blocked(open_database(settings.change_log), "2999-01-01") == []


def test_an_objection_is_kept_once_and_counted(service):
    client, engine = service
    for comment in ("for a film", "again"):
        response = client.post("/reports/blocked", json={"query": BOMB, "comment": comment})
        assert response.status_code == 201 and response.json() == {"kept": True}
    (report,) = open_reports(engine)
    assert (report.query, report.comment, report.times) == (BOMB, "for a film", 2)
    assert report.category in {"explosives", "weapons", "violence"}


def test_what_is_answered_cannot_be_reported_and_bad_reports_are_named(service):
    client, engine = service
    answered = client.post("/reports/blocked", json={"query": "summer dress"})
    assert answered.status_code == 409 and "is answered" in answered.json()["detail"]
    assert client.post("/reports/blocked", json={"query": ""}).status_code == 422
    assert client.post("/reports/blocked", json={"query": "x" * 1001}).status_code == 422
    assert open_reports(engine) == []


def test_objections_are_limited_by_the_minute(service):
    client, _ = service
    codes = [client.post("/reports/blocked", json={"query": BOMB}).status_code for _ in range(5)]
    assert codes == [201, 201, 201, 429, 429]
    assert client.get("/search", params={"q": "dress"}).status_code == 200


def test_the_page_names_no_category_and_takes_an_objection_without_javascript(service):
    client, engine = service
    page = client.get("/", params={"q": BOMB}, headers={"Accept": "text/html"}).text
    assert "We did not answer this one" in page and "explosives" not in page
    assert 'action="/report"' in page
    thanks = client.post(
        "/report", data={"query": BOMB, "comment": "a play"}, headers={"Accept": "text/html"}
    )
    assert thanks.status_code == 200 and "A person will look at your search" in thanks.text
    assert open_reports(engine)[0].comment == "a play"


def test_a_database_of_the_version_before_gets_the_new_tables_and_keeps_its_rows(tmp_path: Path):
    address = f"sqlite:///{tmp_path / 'changes.db'}"
    with open_database(address).begin() as connection:
        for table in ("block_reports", "blocked_counts"):
            connection.execute(text(f"DROP TABLE {table}"))
        connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
        connection.execute(text("INSERT INTO changes (kind, item_id) VALUES ('removed', 'old')"))
    with open_database(address).connect() as connection:
        assert connection.execute(text("SELECT item_id FROM changes")).scalar_one() == "old"
    assert open_reports(create_engine(address)) == []


def test_staff_see_and_decide(service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    import flows.serve
    from flows.cli.main import app

    client, engine = service
    client.post("/reports/blocked", json={"query": BOMB, "comment": "for a film"})
    client.portal.call(client.app.state.service.flush_blocked)
    client.get("/search", params={"q": BOMB})
    client.portal.call(client.app.state.service.flush_blocked)
    monkeypatch.setattr(flows.serve, "connect_database", lambda: engine)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "conf/benign").mkdir(parents=True)
    ask = lambda *words: CliRunner().invoke(app, ["ethics", *words])  # noqa: E731
    assert "blocked" in ask("log").output
    assert "pipe bomb" in ask("reports").output
    assert ask("accept", "99").exception is not None
    assert "1 added to conf/benign/reported.csv" in ask("accept", "1").output
    rows = list(csv.DictReader((tmp_path / "conf/benign/reported.csv").open()))
    assert rows == [{"sentence": BOMB, "kind": "sharp"}]
    assert "Nobody objects" in ask("reports").output
