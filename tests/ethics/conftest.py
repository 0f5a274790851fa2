"""A small catalogue with harmless titles, and the filter calibrated on it with the project's own lists."""

import json
from pathlib import Path

import pandas as pd
import pytest

from components.catalogue.tables import write_table
from components.ethics import calibrate
from components.ethics.filter import EthicsFilter
from components.ethics.settings import EthicsSettings
from components.query_model.onnx_encoder import OnnxEncoder
from tests.descriptions import write_descriptions
from tests.lists import thin_lists

COLOURS = ("red", "navy", "mint", "white", "mustard", "lilac", "coral", "grey", "sand", "olive")
KINDS = (
    "raincoat", "sandals", "jumper", "swimsuit", "pyjamas", "bow tie", "belt bag", "hiking boots", "tent",
    "kitchen knife", "water pistol", "novel about a murder",
)  # fmt: skip


def write_titles(folder: Path) -> Path:
    titles = [f"{colour.capitalize()} {kind}" for colour in COLOURS for kind in KINDS]
    items = pd.DataFrame({"item_id": [f"i{n}" for n in range(len(titles))], "title": titles, "text": ""})
    write_table("items", items.assign(available=True, attributes="{}"), folder)
    write_queries(folder, {})
    return folder


def write_queries(folder: Path, asked: dict[str, bool]) -> None:
    """Past queries, and which of them staff marked as harmful."""
    numbers = [f"q{n}" for n in range(len(asked))]
    write_table(
        "queries",
        pd.DataFrame({"query_id": numbers, "text": list(asked), "harmful": list(asked.values())}),
        folder,
    )


def calibrated(
    lists: Path,
    catalogue: Path,
    model: Path,
    out: Path,
    wishes: dict[str, list[str]] | None = None,
    **changed: object,
) -> dict[str, float]:
    """Calibrate into `out`; returns what was measured. wishes: for some items, by their ids."""
    described = {item_id: {"wishes": texts} for item_id, texts in (wishes or {}).items()}
    descriptions = write_descriptions(out / "descriptions.parquet", described)
    calibrate.main(
        lists / "banned", lists / "benign", catalogue, descriptions, model, out / "ethics", out / "sentences", out / "ethics.json",
        out / "curve.csv", settings=EthicsSettings(**({"landmarks": 500, "parts": 5, "draws": 1} | changed)),
    )  # fmt: skip
    return json.loads((out / "ethics.json").read_text())


@pytest.fixture(scope="session")
def short_lists(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every sixteenth line of the project's lists."""
    return thin_lists(tmp_path_factory.mktemp("lists"), 16)


@pytest.fixture(scope="session")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_titles(tmp_path_factory.mktemp("titles") / "catalogue")


@pytest.fixture(scope="session")
def done(catalogue: Path, query_model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("done")
    lists = thin_lists(tmp_path_factory.mktemp("half"), 2)
    calibrated(lists, catalogue, query_model_folder, out, landmarks=2000)
    return out


@pytest.fixture(scope="session")
def guard(done: Path) -> EthicsFilter:
    return EthicsFilter.load(done / "ethics")


@pytest.fixture(scope="session")
def encoder(query_model_folder: Path) -> OnnxEncoder:
    return OnnxEncoder.load(query_model_folder)
