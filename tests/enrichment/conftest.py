"""A catalogue, the stage that describes it, and a server to ask."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from components.catalogue.tables import write_table
from components.enrichment.answer_cache import Line, read_lines
from components.enrichment.enrich import main
from components.enrichment.settings import EnrichmentSettings
from components.pinned_packages.settings import PinnedPackagesSettings
from tests.enrichment.endpoint import Endpoint

PROJECT = Path(__file__).parents[2]
PROMPTS = PROJECT / "conf/enrichment"
KEY_VARIABLE = "TANDEM_TEST_KEY"  # not the one that may hold somebody's own key


def film(number: int, **changes: Any) -> dict[str, Any]:
    """A row of a catalogue of films."""
    row = {
        "item_id": f"i{number}", "title": f"Quiet Journey {number}", "text": f"Film number {number}.",
        "available": True, "attributes": '{"genre": ["Drama"]}',
    }  # fmt: skip
    return row | changes


def today() -> str:
    return datetime.now(UTC).date().isoformat()


class Shop:
    """A catalogue in a folder, and the stage with all that it reads and writes there."""

    def __init__(self, folder: Path, address: str) -> None:
        self.folder, self.address = folder, address
        self.catalogue, self.cache = folder / "catalogue", folder / "cache"
        self.own_file = self.cache / "answers.jsonl"

    def put(self, *items: Mapping[str, Any], kind: str = "films") -> None:
        """Make these the items of the catalogue."""
        write_table("items", pd.DataFrame(list(items)), self.catalogue)
        (self.catalogue / "shop.json").write_text(json.dumps({"name": "x", "kind": kind}))

    def settings(self, **changes: Any) -> dict[str, Any]:
        """Settings that ask the server fast, but for the changes."""
        usual = {
            "engine": "endpoint", "addresses": [self.address], "model": "m", "key_variable": KEY_VARIABLE,
            "concurrency": 4, "requests_per_minute": 1_000_000, "timeout_seconds": 20, "retries": 2,
            "maximum_failures": 3,
        }  # fmt: skip
        return usual | changes

    def paths(self) -> dict[str, Path]:
        """The paths that the stage is given, by name."""
        out, known = self.folder / "out", self.folder / "answers.jsonl"
        return {
            "catalogue": self.catalogue, "prompts": PROMPTS, "shipped_films": self.folder / "films.jsonl",
            "shipped_fashion": self.folder / "fashion.jsonl", "cache": self.cache, "known_answers": known,
            "answers": known, "descriptions": out / "descriptions.parquet",
            "quarantine": out / "quarantine.parquet", "metrics": out / "metrics.json",
        }  # fmt: skip

    def run(self, **changes: Any) -> dict[str, Any]:
        """Run the stage in this process and return its metrics."""
        pinned = PinnedPackagesSettings.read_in(PROJECT)
        settings = EnrichmentSettings(**self.settings(**changes))
        main(**self.paths(), settings=settings, pinned_settings=pinned)
        return self.metrics()

    def command(self, **changes: Any) -> list[str]:
        """The command that runs the stage in a process of its own; its folder is the project's."""
        conf = self.folder / "enrichment.yaml"
        conf.write_text(yaml.safe_dump(self.settings(**changes)))
        paths = map(str, self.paths().values())
        return [sys.executable, "-m", "components.enrichment.enrich", *paths, "--conf", str(conf)]

    def metrics(self) -> dict[str, Any]:
        metrics: dict[str, Any] = json.loads(self.paths()["metrics"].read_text())
        return metrics

    def described(self) -> list[str]:
        """The ids of the items that have a description."""
        return list(pd.read_parquet(self.paths()["descriptions"])["item_id"])

    def quarantine(self) -> dict[str, str]:
        """Why answers are set aside, by the id of the item."""
        rows = pd.read_parquet(self.paths()["quarantine"])
        rows = rows[rows["part"] == "answer"]
        return dict(zip(rows["item_id"], rows["reason"], strict=True))

    def lines(self) -> Sequence[Line]:
        """The answers that were paid for."""
        return [line for _, line in read_lines(self.own_file)] if self.own_file.is_file() else []


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    server = Endpoint()
    yield server
    server.close()


@pytest.fixture
def shop(tmp_path: Path, endpoint: Endpoint) -> Shop:
    """Six films, and the server to ask about them."""
    shop = Shop(tmp_path, endpoint.address)
    shop.put(*map(film, range(6)))
    return shop
