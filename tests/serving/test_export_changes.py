"""What a service was told by day is in the catalogue of the next night, and not told to its bundle again."""

import json
from pathlib import Path

import pandas as pd
from fastapi.testclient import TestClient

from components.bundle.bundle import Bundle
from components.catalogue import ingest
from components.catalogue.settings import CatalogueSettings
from components.catalogue.tables import read_interactions, read_items, read_shop
from components.serving.app import create_app
from components.serving.export_changes import export_changes
from components.serving.storage.change_log import ChangeLog
from components.serving.storage.database import open_database
from tests.serving.conftest import HERE, key_for, settings_in

FASHION = Path(__file__).parents[2] / "examples" / "fashion"


def catalogue(inbox: Path, folder: Path) -> Path:
    """The catalogue stage over the made-up shop and an inbox."""
    settings = CatalogueSettings(source="fashion", folder=str(inbox))
    ingest.main(inbox, inbox, FASHION, inbox, folder / "catalogue", folder / "counts.json", settings=settings)
    return folder / "catalogue"


def test_the_next_night_learns_what_was_told(bundle_folder: Path, tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    admin = key_for(settings, "admin")
    feed = pd.read_csv(FASHION / "interactions.csv")
    erased = str(feed["user_id"].iloc[0])
    with TestClient(create_app(Bundle.load(bundle_folder), settings), client=HERE) as client:
        hat = {"title": "Zeppelin hat", "price": 9.5, "attributes": {"colour": ["silver"]}}
        client.put("/items/n1", json=hat | {"price": 7}, headers=admin)
        client.put("/items/n1", json=hat, headers=admin)
        client.put("/items/f0002", json={"title": "Renamed", "available": False}, headers=admin)
        client.delete("/items/f0001", headers=admin)
        told = [{"user_id": user, "item_id": "n1", "timestamp": 1_700_000_000} for user in ("zoe", erased)]
        client.post("/interactions", json={"interactions": told}, headers=admin)
        client.delete(f"/users/{erased}", headers=admin)
    log, inbox = ChangeLog(open_database(settings.change_log)), tmp_path / "inbox"
    assert export_changes(log, inbox / "live") == log.last_sequence()
    made = catalogue(inbox, tmp_path / "night")
    items = read_items(made).set_index("item_id")
    assert "f0001" not in items.index and items.loc["n1", "price"] == 9.5
    assert items.loc["f0002", "title"] == "Renamed" and not items.loc["f0002", "available"]
    assert json.loads(items.loc["n1", "attributes"]) == {"colour": ["silver"]}
    acts = read_interactions(made)
    assert acts[acts["user_id"] == "zoe"]["item_id"].tolist() == ["n1"]
    assert not (acts["user_id"] == erased).any() and not (acts["item_id"] == "f0001").any()
    assert read_shop(made)["told"] == {"log": log.identity(), "through": log.last_sequence()}


def test_nothing_new_changes_no_file(tmp_path: Path) -> None:
    log = ChangeLog(open_database(settings_in(tmp_path).change_log))
    assert export_changes(log, tmp_path / "inbox" / "live") == 0
    assert not (tmp_path / "inbox" / "live").exists()


def test_a_catalogue_without_a_service_is_as_its_feed_says(tmp_path: Path) -> None:
    made = catalogue(tmp_path / "inbox", tmp_path)
    assert len(read_items(made)) == len(pd.read_csv(FASHION / "items.csv")) and "told" not in read_shop(made)
