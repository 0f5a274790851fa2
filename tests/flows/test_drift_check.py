"""Before anything is trained, a run holds its feed against the last one that was accepted."""

from pathlib import Path

import pandas as pd
import pytest

from components.catalogue.drift import DriftError
from flows.run.nightly import nightly
from tests.flows.test_cli import tandem

GRAPH = """\
stages:
  catalogue:
    cmd: python -m components.catalogue.ingest inbox inbox inbox inbox data/catalogue data/catalogue.json
    deps: [inbox]
    params: [{conf/catalogue.yaml: null}]
    outs: [data/catalogue]
    metrics: [data/catalogue.json]
  model:
    cmd: python train.py data/catalogue/interactions.parquet model.txt
    deps: [data/catalogue]
    outs: [model.txt]
"""
TRAIN = "import pandas, sys; open(sys.argv[2], 'w').write(str(len(pandas.read_parquet(sys.argv[1]))))\n"


@pytest.fixture
def shop(project: Path) -> Path:
    """A project that reads a folder of 100 items and 300 clicks, and trains on the clicks."""
    (project / "dvc.yaml").write_text(GRAPH)
    (project / "train.py").write_text(TRAIN)
    (project / "conf/catalogue.yaml").write_text("source: folder\nfolder: inbox\n")
    (project / "inbox").mkdir()
    items = pd.DataFrame({"item_id": range(100), "title": [f"Item {n}" for n in range(100)]})
    items.to_csv(project / "inbox/items.csv", index=False)
    bring(project, 300)
    return project


def bring(project: Path, clicks: int) -> None:
    frame = pd.DataFrame(
        {"user_id": [n // 3 for n in range(clicks)], "item_id": [n % 100 for n in range(clicks)]}
    )
    frame.to_csv(project / "inbox/interactions.csv", index=False)


def trained(project: Path) -> int:
    return int((project / "model.txt").read_text())


def test_an_empty_feed_stops_the_run_before_training_and_the_next_right_feed_goes_on(shop: Path) -> None:
    nightly(shop, publishing=False)
    assert trained(shop) == 300
    bring(shop, 0)
    for _ in range(2):
        with pytest.raises(DriftError, match="rows of interactions is 0, 300 in the last accepted feed"):
            nightly(shop, publishing=False)
    with pytest.raises(DriftError):
        nightly(shop, publishing=False, only=["model"])
    assert trained(shop) == 300
    bring(shop, 330)
    nightly(shop, publishing=False)
    assert trained(shop) == 330


def test_a_tenfold_feed_is_let_pass_on_purpose(shop: Path) -> None:
    nightly(shop, publishing=False)
    bring(shop, 3000)
    with pytest.raises(DriftError, match="tandem accept-feed"):
        nightly(shop, publishing=False)
    answer = tandem(shop, "accept-feed")
    assert answer.returncode == 0, answer.stderr
    assert "3000 interactions" in answer.stdout
    nightly(shop, publishing=False)
    assert trained(shop) == 3000
