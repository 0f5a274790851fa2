"""A small catalogue with harmless titles, and the filter calibrated on it with the project's own lists."""

import json
from pathlib import Path

import pandas as pd
import pytest

from components.catalogue.tables import write_table
from components.ethics import calibrate
from components.ethics.filter import EthicsFilter
from components.ethics.settings import EthicsSettings
from components.language.encoder import Encoder
from components.language.query_model import QueryModel

LISTS = Path(__file__).parents[2] / "conf"
COLOURS = ("red", "navy", "mint", "white", "mustard", "lilac", "coral", "grey", "sand", "olive")
KINDS = (
    "raincoat", "sandals", "jumper", "swimsuit", "pyjamas", "bow tie", "belt bag", "hiking boots", "tent",
    "kitchen knife", "water pistol", "novel about a murder",
)  # fmt: skip


def write_titles(folder: Path) -> Path:
    titles = [f"{colour.capitalize()} {kind}" for colour in COLOURS for kind in KINDS]
    items = pd.DataFrame({"item_id": [f"i{n}" for n in range(len(titles))], "title": titles, "text": ""})
    write_table("items", items.assign(available=True, attributes="{}"), folder)
    return folder


def calibrated(lists: Path, catalogue: Path, model: Path, out: Path, **changed: object) -> dict[str, float]:
    """Calibrate into `out`; returns what was measured."""
    calibrate.main(
        lists / "banned", lists / "benign", catalogue, model, out / "ethics", out / "ethics.json",
        settings=EthicsSettings(**changed),
    )  # fmt: skip
    return json.loads((out / "ethics.json").read_text())


@pytest.fixture(scope="session")
def short_lists(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every eighth line of the project's lists."""
    folder = tmp_path_factory.mktemp("lists")
    for file in LISTS.glob("b*/*.csv"):
        heading, *rows = file.read_text(encoding="utf-8").splitlines(keepends=True)
        (folder / file.parent.name).mkdir(exist_ok=True)
        (folder / file.parent.name / file.name).write_text(heading + "".join(rows[::8]), encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_titles(tmp_path_factory.mktemp("titles") / "catalogue")


@pytest.fixture(scope="session")
def done(catalogue: Path, query_model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("done")
    calibrated(LISTS, catalogue, query_model_folder, out, draws=2)
    return out


@pytest.fixture(scope="session")
def guard(done: Path) -> EthicsFilter:
    return EthicsFilter.load(done / "ethics")


@pytest.fixture(scope="session")
def encoder(query_model_folder: Path) -> Encoder:
    return QueryModel.load(query_model_folder)
