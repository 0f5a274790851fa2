"""The made-up shop is what its generator writes."""

import subprocess
import sys
from pathlib import Path

from components.catalogue.folder_source import read_folder
from components.catalogue.validation import validate_tables

FASHION = Path(__file__).parents[2] / "examples" / "fashion"


def test_the_generator_writes_the_committed_files_byte_for_byte(tmp_path: Path) -> None:
    subprocess.run([sys.executable, str(FASHION / "generate.py"), str(tmp_path)], check=True)
    for name in ("items.csv", "interactions.csv", "queries.csv", "judgements.csv"):
        assert (tmp_path / name).read_bytes() == (FASHION / name).read_bytes()


def test_the_shop_is_read_whole_and_has_summer_clothes_for_children() -> None:
    raw = read_folder(FASHION, ".")
    tables = validate_tables(raw)
    assert raw.shop["made_up"] is True
    assert tables["quarantine"].empty
    summer = tables["items"][tables["items"]["attributes"].str.contains('"season": ["summer"]', regex=False)]
    for audience in ("girls", "boys", "babies"):
        assert summer["attributes"].str.contains(f'"audience": ["{audience}"]', regex=False).sum() >= 25
