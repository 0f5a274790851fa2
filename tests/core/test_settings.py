"""An old settings file is told what to write instead."""

from pathlib import Path

import pytest

from components.bundle.settings import BundleSettings
from components.catalogue.settings import CatalogueSettings
from components.core.errors import SettingsError
from components.core.settings import Conf
from components.index.settings import IndexSettings
from components.text_model.settings import TextModelSettings


@pytest.mark.parametrize(
    ("settings", "old", "new"),
    [
        (IndexSettings, "search_nodes: 9000", "search_nodes: this key is now called search_k"),
        (BundleSettings, "minimum_rating: 4", "minimum_rating in conf/catalogue.yaml"),
        (TextModelSettings, "taste_weight: 1", "interactions_weight"),
        (CatalogueSettings, "feed: {fewer: 0.5}", "feed: this key is now called drift"),
        (CatalogueSettings, "drift: {fewer: 0.5}", "drift.fewer: this key is now called drift.min_row_ratio"),
    ],
)
def test_an_old_key_is_told_its_new_name(tmp_path: Path, settings: type[Conf], old: str, new: str) -> None:
    file = tmp_path / settings.conf_file
    file.write_text(old)
    with pytest.raises(SettingsError, match=new.replace(".", r"\.")):
        settings.read(file)


def test_an_old_file_is_told_its_new_name(tmp_path: Path) -> None:
    (tmp_path / "language.yaml").write_text("seed: 1")
    with pytest.raises(SettingsError, match=r"language\.yaml is now called text_model\.yaml\. Rename it\."):
        TextModelSettings.read(tmp_path / "text_model.yaml")


def test_every_old_key_names_a_key_that_exists() -> None:
    for settings in (IndexSettings, BundleSettings, TextModelSettings):
        for old, new in settings.renamed_keys.items():
            assert old not in settings.model_fields
            assert new in settings.model_fields or " in conf/" in new
