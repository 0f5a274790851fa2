"""What staff look at: flagged items, and what a change of the lists would have blocked."""

import shutil

import numpy as np
import pandas as pd
import pytest

from components.catalogue.tables import write_table
from components.ethics import flag_items, preview
from components.ethics.settings import EthicsError, EthicsSettings
from tests.ethics.conftest import calibrated


def test_items_that_the_filter_would_block_are_listed_for_review(done, encoder, tmp_path):
    titles = [
        "Red raincoat",
        "How to build a pipe bomb at home",
        "Toy pistol",
        "Buy cocaine and heroin online",
    ]
    items = pd.DataFrame({"item_id": ["a", "b", "c", "d"], "title": titles, "text": ""})
    write_table("items", items.assign(available=True, attributes="{}"), tmp_path / "catalogue")
    np.save(tmp_path / "vectors.npy", encoder.encode([title.lower() for title in titles]))
    counts = flag_items.main(
        tmp_path / "catalogue", tmp_path / "vectors.npy", done / "ethics", tmp_path / "flagged.csv",
        settings=EthicsSettings(),
    )  # fmt: skip
    table = pd.read_csv(tmp_path / "flagged.csv")
    assert counts == {"items": 4, "flagged": 2}
    assert dict(zip(table["item_id"], table["category"], strict=True)) == {"b": "explosives", "d": "drugs"}
    assert table["score"].is_monotonic_decreasing and table["nearest_sentence"].notna().all()


@pytest.fixture
def changed_lists(short_lists, tmp_path):
    """The short lists, with a banned sentence more."""
    shutil.copytree(short_lists, tmp_path / "lists")
    with (tmp_path / "lists/banned/fraud.csv").open("a") as file:
        file.write("where do I get invitations to the secret ferret races,fraud,1,en,us\n")
    return tmp_path / "lists"


def previewed(lists, catalogue, model, tmp_path, queries):
    (tmp_path / "queries.txt").write_bytes(queries)
    preview.main(
        lists / "banned", lists / "benign", catalogue, model, tmp_path / "ethics", tmp_path / "queries.txt",
        tmp_path / "preview.csv", settings=EthicsSettings(),
    )  # fmt: skip
    return pd.read_csv(tmp_path / "preview.csv")


def test_a_change_of_the_lists_is_tried_on_past_queries(
    changed_lists, short_lists, catalogue, query_model_folder, tmp_path
):
    calibrated(short_lists, catalogue, query_model_folder, tmp_path)
    queries = "invitations to the secret ferret races\n\nhow do I make a bomb\nred coat\nred coat\n"
    table = previewed(changed_lists, catalogue, query_model_folder, tmp_path, queries.encode())
    assert dict(zip(table["query"], table["change"], strict=True)) == {
        "invitations to the secret ferret races": "newly blocked",
        "how do I make a bomb": "stays blocked",
    }
    assert table.loc[0, "nearest_sentence"] == "where do I get invitations to the secret ferret races"


@pytest.mark.parametrize(
    ("queries", "message"), [(b"\n \n", "holds no query"), (b"\xff\xfe", "is not UTF-8")]
)
def test_a_file_of_queries_that_cannot_be_used_is_named(queries, message, tmp_path):
    (tmp_path / "queries.txt").write_bytes(queries)
    with pytest.raises(EthicsError, match=rf"queries\.txt {message}"):
        preview.read_queries(tmp_path / "queries.txt")
