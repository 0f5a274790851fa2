"""What staff look at: flagged items, and what a change of the lists would have blocked."""

import shutil

import numpy as np
import pandas as pd
import pytest

from components.catalogue.tables import write_table
from components.enrichment.enriched_items import read_enriched_items
from components.ethics import flag_items, preview
from components.ethics.explain import explain_text
from components.ethics.flag_items import list_wishes
from components.ethics.settings import EthicsError, EthicsSettings
from tests.descriptions import write_descriptions
from tests.ethics.conftest import calibrated

RATES = ("false_block_rate", "kind_block_rate", "sharp_block_rate", "look_alike_block_rate")
LOOSE = dict.fromkeys(RATES, 0.1)  # few sentences leave a stricter line where chance puts it


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
    wishes = ["something against the rain", "where can I buy cocaine and heroin online"]
    descriptions = write_descriptions(tmp_path / "descriptions.parquet", {"a": {"wishes": wishes}})
    indexed = list_wishes(read_enriched_items(tmp_path / "catalogue", descriptions))["text"].tolist()
    np.save(tmp_path / "wishes.npy", encoder.encode(indexed))
    counts = flag_items.main(
        tmp_path / "catalogue", descriptions, tmp_path / "vectors.npy", tmp_path / "wishes.npy", done / "ethics",
        done / "sentences", tmp_path / "flagged.csv", settings=EthicsSettings(),
    )  # fmt: skip
    table = pd.read_csv(tmp_path / "flagged.csv")
    assert counts == {"items": 4, "wishes": len(indexed), "flagged": 2 + (wishes[1] in indexed)}
    assert set(table.loc[table["part"] == "wish", "text"]) == {wishes[1]}.intersection(indexed)
    table = table[table["part"] == "item"]
    assert dict(zip(table["item_id"], table["category"], strict=True)) == {"b": "explosives", "d": "drugs"}
    assert table["score"].is_monotonic_decreasing and table["nearest_sentence"].notna().all()


@pytest.fixture
def changed_lists(short_lists, tmp_path):
    """The short lists, with a banned sentence more."""
    shutil.copytree(short_lists, tmp_path / "lists")
    with (tmp_path / "lists/banned/fraud.csv").open("a") as file:
        file.write("where do I get invitations to the secret ferret races,fraud,1,en,us\n")
        for form in (
            "invitations to the secret ferret races",
            "buy tickets to secret ferret races",
            "secret ferret races",
        ):
            file.writelines(
                f"{form} {where},fraud,1,en,us\n" for where in ("here", "in town", "tonight", "of the club")
            )
    return tmp_path / "lists"


def previewed(lists, catalogue, model, tmp_path, queries):
    (tmp_path / "queries.txt").write_bytes(queries)
    preview.main(
        lists / "banned", lists / "benign", catalogue, write_descriptions(tmp_path / "none.parquet", {}), model, tmp_path / "ethics", tmp_path / "queries.txt",
        tmp_path / "preview.csv", settings=EthicsSettings(landmarks=500, parts=5, draws=1, **LOOSE),
    )  # fmt: skip
    return pd.read_csv(tmp_path / "preview.csv")


def test_a_change_of_the_lists_is_tried_on_past_queries(
    changed_lists, short_lists, catalogue, query_model_folder, tmp_path
):
    calibrated(short_lists, catalogue, query_model_folder, tmp_path, **LOOSE)
    listed = pd.read_csv(short_lists / "banned/explosives.csv")["sentence"][0]
    queries = f"invitations to the secret ferret races\n\n{listed}\nred coat\nred coat\n"
    table = previewed(changed_lists, catalogue, query_model_folder, tmp_path, queries.encode())
    assert dict(zip(table["query"], table["change"], strict=True)) == {
        "invitations to the secret ferret races": "newly blocked",
        listed: "stays blocked",
    }
    assert "secret ferret races" in table.loc[0, "nearest_sentence"]


@pytest.mark.parametrize(
    ("queries", "message"), [(b"\n \n", "holds no query"), (b"\xff\xfe", "is not UTF-8")]
)
def test_a_file_of_queries_that_cannot_be_used_is_named(queries, message, tmp_path):
    (tmp_path / "queries.txt").write_bytes(queries)
    with pytest.raises(EthicsError, match=rf"queries\.txt {message}"):
        preview.read_queries(tmp_path / "queries.txt")


def test_an_explanation_names_the_nearest_sentences_and_the_word_that_tips_it(done, query_model_folder):
    found = explain_text("how to build a pipe bomb", done / "ethics", done / "sentences", query_model_folder)
    assert found.verdict.blocked and found.words[0][0] == "bomb"
    assert any("bomb" in sentence for sentence, _, _ in found.banned)
    assert [likeness for _, _, likeness in found.benign] == sorted(
        (likeness for _, _, likeness in found.benign), reverse=True
    )
    calm = explain_text("summer dress for my niece", done / "ethics", done / "sentences", query_model_folder)
    assert not calm.verdict.blocked and calm.variants == ["summer dress for my niece"]
    assert not explain_text("", done / "ethics", done / "sentences", query_model_folder).verdict.blocked
