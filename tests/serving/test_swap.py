"""A new model takes the old one's place under load: no request fails, no answer is of two models, no change is lost."""

import json
import os
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pandas as pd
import pytest

from components.bundle.bundle import Bundle
from components.bundle.manifest import MANIFEST
from components.bundle.stores.item_store import ItemStore
from components.core.content_hash import hash_file
from components.serving.app import create_app
from tests.serving.conftest import key_for, listening, settings_in

ITEMS, ITEM_STORE = "catalogue/items.parquet", "items"
MARK = " (second)"


class Registry:
    """Which version is champion, as a registry would say."""

    def __init__(self, folders: dict[str, Path]) -> None:
        self.folders, self.version, self.silent = folders, "1", False

    def champion(self) -> tuple[str, object]:
        """The version and how to have its bundle."""
        if self.silent:
            raise OSError("nobody there")
        version = self.version
        return version, lambda: self.folders[version]


@pytest.fixture(scope="module")
def folders(bundle_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A bundle, one whose titles are marked, and one that is not whole."""
    there = tmp_path_factory.mktemp("versions")
    marked = Path(shutil.copytree(bundle_folder, there / "2", copy_function=os.link))
    items = pd.read_parquet(marked / ITEMS)
    (marked / ITEMS).unlink()
    shutil.rmtree(marked / ITEM_STORE)
    retitled = items.assign(title=items["title"] + MARK)
    retitled.to_parquet(marked / ITEMS, index=False)
    ItemStore.from_items(retitled).save(marked / ITEM_STORE)
    manifest = json.loads((marked / MANIFEST).read_text())
    for name in manifest["files"]:
        if name == ITEMS or name.startswith(f"{ITEM_STORE}/"):
            manifest["files"][name] = hash_file(marked / name)
    (marked / MANIFEST).unlink()
    (marked / MANIFEST).write_text(json.dumps(manifest))
    broken = Path(shutil.copytree(bundle_folder, there / "3", copy_function=os.link))
    (broken / ITEMS).unlink()
    return {"1": bundle_folder, "2": marked, "3": broken}


@pytest.fixture
def registry(folders: dict[str, Path]) -> Registry:
    return Registry(folders)


@pytest.fixture
def served(registry: Registry, tmp_path: Path) -> Iterator[httpx.Client]:
    settings = settings_in(tmp_path, poll_seconds=0.2, reads_per_minute=10**6)
    app = create_app(Bundle.load(registry.folders["1"]), settings, "1", registry.champion)  # type: ignore[arg-type]
    with (
        listening(app) as address,
        httpx.Client(base_url=address, headers=key_for(settings, "write"), timeout=60) as client,
    ):
        yield client


def until(served: httpx.Client, **state: object) -> dict[str, object]:
    """What readiness says once it says that."""
    for _ in range(600):
        told: dict[str, object] = served.get("/readyz").json()
        if state.items() <= told.items():
            return told
        time.sleep(0.1)
    raise AssertionError(f"It never came to {state}: {told}")


def test_a_new_champion_is_served_without_a_gap_and_with_all_changes(
    served: httpx.Client, registry: Registry
) -> None:
    served.put("/items/n1", json={"title": "Zeppelin hat", "text": "A hat like an airship."})
    ended, answers, faults = threading.Event(), [], []

    def ask(number: int) -> None:
        with httpx.Client(base_url=served.base_url, timeout=60) as client:
            while not ended.is_set():
                answer = client.get("/search", params={"q": ("shoes", "summer dresses")[number % 2], "k": 30})
                (answers if answer.status_code == 200 else faults).append(answer.json())

    threads = [threading.Thread(target=ask, args=[number]) for number in range(3)]
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    registry.version = "2"
    until(served, version="2", status="ready")
    asked = len(answers)
    while len(answers) < asked + 6 and not faults:
        time.sleep(0.1)
    ended.set()
    for thread in threads:
        thread.join()
    marked = [{hit["title"].endswith(MARK) for hit in answer["hits"]} for answer in answers]
    assert faults == [] and all(len(kinds) == 1 for kinds in marked)
    assert {True} in marked and {False} in marked
    assert served.get("/search", params={"q": "zeppelin hat"}).json()["hits"][0]["item_id"] == "n1"
    registry.version = "1"
    until(served, version="1", status="ready")
    assert not served.get("/search", params={"q": "shoes"}).json()["hits"][0]["title"].endswith(MARK)


def test_a_champion_that_cannot_be_loaded_is_told_and_the_one_before_is_served(
    served: httpx.Client, registry: Registry
) -> None:
    registry.version = "3"
    told = until(served, status="degraded")
    assert told["version"] == "1"
    assert (
        "Version 3 cannot be served" in told["faults"][0] and "items.parquet is missing" in told["faults"][0]
    )  # type: ignore[index]
    assert len(served.get("/search", params={"q": "shoes"}).json()["hits"]) == 12
    assert "tandem_model_refusals_total" in served.get("/metrics").text
    registry.version = "1"
    until(served, status="ready", version="1")


def test_a_registry_that_does_not_answer_is_told_until_it_does(
    served: httpx.Client, registry: Registry
) -> None:
    registry.silent = True
    told = until(served, status="degraded", version="1")
    assert told["faults"] == ["The registry does not answer: nobody there"]
    registry.silent = False
    until(served, status="ready")
