"""A service that is killed while it is written to has lost nothing that it acknowledged, over either database."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))

from durability import run
from postgres import postgres, programs


@pytest.mark.slow
def test_nothing_acknowledged_is_lost_and_nothing_is_there_in_part(
    bundle_folder: Path, tmp_path: Path
) -> None:
    found = run(bundle_folder, f"sqlite:///{tmp_path / 'changes.db'}", kills=3)
    assert (found["lost"], found["partial"]) == (0, 0)
    assert found["interactions_acknowledged"] > 0 and found["writes_sent"] > 60


@pytest.mark.slow
@pytest.mark.postgres
@pytest.mark.skipif(programs() is None, reason="Postgres is not installed: apt-get install postgresql")
def test_the_same_holds_over_postgres(bundle_folder: Path) -> None:
    with postgres() as change_log:
        found = run(bundle_folder, change_log, kills=3)
    assert (found["lost"], found["partial"]) == (0, 0)
    assert found["interactions_acknowledged"] > 0 and found["writes_sent"] > 60
