"""Reading one's own folder: formats agree, bad rows are set aside with their place, no row is lost."""

import json
import tempfile
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.catalogue.folder_source import read_folder
from components.catalogue.tables import CatalogueError
from components.catalogue.validation import validate_tables

ITEMS = "item_id,title,price,colour\n007,Coat,12.50,red|blue\n8,Hat,3,\n"


def catalogue(folder: Path, decimal: str = ".", **files: str) -> dict[str, pd.DataFrame]:
    for name, text in files.items():
        (folder / f"{name}.csv").write_text(text, encoding="utf-8")
    return validate_tables(read_folder(folder, decimal))


def test_ids_stay_text_and_other_columns_become_attributes(tmp_path: Path) -> None:
    items = catalogue(tmp_path, items=ITEMS)["items"]
    assert list(items["item_id"]) == ["007", "8"]
    assert [json.loads(text) for text in items["attributes"]] == [{"colour": ["red", "blue"]}, {}]


def test_a_folder_without_interactions_is_a_catalogue(tmp_path: Path) -> None:
    assert catalogue(tmp_path, items=ITEMS)["interactions"].empty


def test_an_empty_folder_is_told_what_to_hold(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match=r"holds no items\.csv"):
        read_folder(tmp_path, ".")


def test_a_missing_column_names_file_found_columns_and_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(
        CatalogueError, match=r"items\.csv has no column title. Rename titel .*found: item_id, titel"
    ):
        catalogue(tmp_path, items="item_id,titel\n1,Coat\n")


@pytest.mark.parametrize(
    ("row", "field", "reason"),
    [
        ('2,Hat,"12,90"', "price", "not a number"),
        ("2,Hat,NaN", "price", "not a number"),
        ("2,Hat,-1", "price", "below 0"),
        ("1,Hat,3", "item_id", "earlier row"),
        (",Hat,3", "item_id", "empty"),
        ("2,Hat,3,4", "", "4 fields"),
    ],
)
def test_a_bad_item_is_set_aside_with_its_line(tmp_path: Path, row: str, field: str, reason: str) -> None:
    tables = catalogue(tmp_path, items=f'item_id,title,price\n1,"Coat\nof wool",5\n\n{row}\n')
    aside = tables["quarantine"].iloc[0]
    assert (aside["table"], aside["row"], aside["field"]) == ("items", 5, field)
    assert reason in aside["reason"]
    assert list(tables["items"]["item_id"]) == ["1"]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("u,9,1,1", "no such item_id"),
        ("u,8,1,-2", "below 0"),
        ("u,8,1700000000000,1", "milliseconds"),
        ("u,8,9000000000,1", "future"),
        ("u,8,yesterday,1", "seconds since 1970"),
    ],
)
def test_a_bad_interaction_is_set_aside(tmp_path: Path, row: str, reason: str) -> None:
    given_rows = f"user_id,item_id,timestamp,weight\nu,007,1,1\n{row}\n"
    tables = catalogue(tmp_path, items=ITEMS, interactions=given_rows)
    assert reason in tables["quarantine"]["reason"].iloc[0]
    assert len(tables["interactions"]) == 1


def test_prices_with_a_comma_are_read_where_settings_say_so(tmp_path: Path) -> None:
    tables = catalogue(tmp_path, ",", items="item_id;title;price\n1;Coat;12,90\n2;Hat;1.234\n")
    assert list(tables["items"]["price"]) == [12.9]
    assert tables["quarantine"]["value"].iloc[0] == "1.234"


def test_a_film_that_is_not_there_is_set_aside(tmp_path: Path) -> None:
    tables = catalogue(tmp_path, items=ITEMS, videos="video_id,item_id,path\na,8,a.mp4\n")
    assert "no such file" in tables["quarantine"]["reason"].iloc[0]


def test_nothing_left_is_an_error_that_shows_the_first_row(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match=r"no usable item .*row 2"):
        catalogue(tmp_path, items="item_id,title\n,Coat\n")


def test_an_open_quote_is_an_error_that_names_the_row(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="row 3"):
        catalogue(tmp_path, items='item_id,title\n1,Coat\n2,"Hat\n')


texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=8)
rows = st.fixed_dictionaries(
    {
        "item_id": st.sampled_from(["1", "2", "007", " 3 ", ""]),
        "title": texts,
        "price": st.sampled_from(["1.5", "x", "-1", ""]),
        "colour": texts,
    }
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(rows, min_size=1, max_size=8))
def test_formats_agree_and_no_row_is_lost(records: list[dict[str, str]]) -> None:
    frame = pd.DataFrame(records)
    found = []
    with tempfile.TemporaryDirectory() as scratch:
        for ending in ("csv", "parquet", "jsonl"):
            folder = Path(scratch) / ending / "shop"
            folder.mkdir(parents=True)
            if ending == "csv":
                frame.to_csv(folder / "items.csv", index=False)
            elif ending == "parquet":
                frame.to_parquet(folder / "items.parquet", index=False)
            else:
                lines = [json.dumps(record, ensure_ascii=False) for record in records]
                (folder / "items.jsonl").write_text("\n".join(lines), encoding="utf-8")
            try:
                found.append(validate_tables(read_folder(folder, ".")))
            except CatalogueError as fault:
                assert "no usable item" in str(fault)
                found.append({})
    csv, *others = found
    for other in others:
        assert other.keys() == csv.keys()
        if csv:
            pd.testing.assert_frame_equal(other["items"], csv["items"])
            assert len(csv["items"]) + len(csv["quarantine"]) == len(records)


def test_another_film_under_the_same_name_is_told_by_its_hash(tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    hashes = []
    for content in (b"one", b"two"):
        (tmp_path / "videos" / "8.mp4").write_bytes(content)
        hashes.append(catalogue(tmp_path, items=ITEMS)["videos"]["sha256"].item())
    assert hashes[0] != hashes[1]
