"""A database that an earlier version wrote is read as it is: its changes, keys, counts and reports stay."""

import sqlite3
from pathlib import Path

import numpy as np

from components.serving.storage.api_keys import find_key
from components.serving.storage.blocked_queries import count_blocked, open_reports
from components.serving.storage.change_log import FORGOTTEN, LIKED, PUT, REMOVED, ChangeLog
from components.serving.storage.database import open_database

DUMP = Path(__file__).with_name("database_of_version_0002.sql")
TOKEN = "tandem_c6a68d5a849712eb_DW11pQzTeWYcqu3kntopOjxWbd5yoaeC-kaVcPEqmlg"


def test_a_database_of_the_version_before_keeps_its_changes_keys_and_reports(tmp_path: Path) -> None:
    file = tmp_path / "changes.db"
    with sqlite3.connect(file) as database:
        database.executescript(DUMP.read_text(encoding="utf-8"))
    engine = open_database(f"sqlite:///{file}")
    log = ChangeLog(engine)
    entries = log.read_after(0)
    assert [entry.kind for entry in entries] == [PUT, LIKED, REMOVED, FORGOTTEN]
    assert entries[0].body is not None and entries[0].body["title"] == "Sun hat"
    np.testing.assert_array_equal(entries[0].vector, np.arange(4, dtype=np.float32) / 4)
    assert entries[1].body is not None and entries[1].body["liking"] == 1.0
    assert log.last_sequence() == 4
    key = find_key(engine, TOKEN)
    assert key is not None and (key.name, key.scope) == ("shop", "write")
    assert count_blocked(engine, "2026-01-01") == [("weapons", 1)]
    [report] = open_reports(engine)
    assert (report.query, report.comment) == ("a toy sword", "for my son")
