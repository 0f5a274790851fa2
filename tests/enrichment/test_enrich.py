"""What the stage makes of answers: descriptions, what is set aside, counts, and a file that other machines can use."""

import json
from pathlib import Path

import pandas as pd

from components.catalogue.tables import read_items
from components.enrichment.answer_cache import Line
from components.enrichment.enrich import COLUMNS, QUARANTINE_COLUMNS
from components.enrichment.item_facts import item_hash
from components.enrichment.prompt import Prompt
from tests.enrichment.conftest import PROMPTS, Shop, film
from tests.enrichment.endpoint import SUMMARY, WISHES, Endpoint, Reply, describe

NOTHING = {"known": False, "summary": "", "themes": [], "moods": [], "keywords": [], "wishes": []}


def ship(shop: Shop, summary: str) -> None:
    """Make this the answer to the first item that comes with the project."""
    item = read_items(shop.catalogue).to_dict("records")[0]
    line: Line = {
        "item_id": "i0", "item_hash": item_hash(item), "prompt_hash": Prompt.read(PROMPTS, "films").hash,
        "model": "shipped", "date": "2026-01-01", "answer": describe(item, summary=summary),
    }  # fmt: skip
    shop.paths()["shipped_films"].write_text(json.dumps(line) + "\n")


def summaries(shop: Shop) -> dict[str, str]:
    table = pd.read_parquet(shop.paths()["descriptions"])
    return {row.item_id: json.loads(row.description)["summary"] for row in table.itertuples()}


def test_every_item_is_described_set_aside_unknown_or_without_an_answer_and_counted(
    shop: Shop, endpoint: Endpoint
) -> None:
    replies = {
        "i0": {}, "i1": NOTHING, "i2": {"themes": ["x"] * 20}, "i3": {"wishes": [*WISHES[:4], "Quiet Journey 3, please"]},
    }  # fmt: skip
    endpoint.behave = lambda asked: (
        Reply(json.dumps(describe(asked.item, **replies[asked.item_id])))
        if asked.item_id in replies
        else Reply(status=500)
    )
    assert shop.run(retries=0) == {
        "items": 6, "described": 2, "unknown": 1, "quarantined": 1, "dropped_wishes": 1, "without_answer": 2,
        "unfinished": 2,
    }  # fmt: skip
    descriptions, quarantine = (
        pd.read_parquet(shop.paths()[name]) for name in ("descriptions", "quarantine")
    )
    assert list(descriptions) == COLUMNS and list(quarantine) == QUARANTINE_COLUMNS
    assert list(descriptions["item_id"]) == ["i0", "i3"] and set(descriptions["model"]) == {"m"}
    assert list(quarantine["item_id"]) == ["i2", "i3"] and list(quarantine["part"]) == ["answer", "wish"]
    assert json.loads(quarantine["value"][0])["themes"] == ["x"] * 20
    assert quarantine["value"][1] == "Quiet Journey 3, please"
    first = json.loads(descriptions["description"][0])
    assert first["summary"] == SUMMARY and "item_id" not in first and "known" not in first


def test_a_catalogue_of_which_nothing_is_answered_has_tables_of_the_same_columns(shop: Shop) -> None:
    assert shop.run(engine="shipped")["without_answer"] == 6
    for name, columns in (("descriptions", COLUMNS), ("quarantine", QUARANTINE_COLUMNS)):
        assert list(pd.read_parquet(shop.paths()[name])) == columns


def test_shipped_answers_alone_leave_nothing_unfinished_and_ask_nobody(
    shop: Shop, endpoint: Endpoint
) -> None:
    shop.run(maximum_requests=2, concurrency=1)
    metrics = shop.run(engine="shipped")
    assert (metrics["described"], metrics["without_answer"], metrics["unfinished"]) == (2, 4, 0)
    assert len(endpoint.asked) == 2


def test_items_of_the_same_content_are_asked_for_once_and_all_described(
    shop: Shop, endpoint: Endpoint
) -> None:
    shop.put(film(1), film(2, title="Quiet Journey 1", text="Film number 1.", price=9.0), film(3))
    assert shop.run()["described"] == 3
    assert len(endpoint.asked) == 2


def test_a_new_price_asks_nothing_a_new_text_asks_its_item(shop: Shop, endpoint: Endpoint) -> None:
    shop.run()
    shop.put(*(film(number, price=5.0) for number in range(6)))
    assert shop.run()["described"] == 6 and len(endpoint.asked) == 6
    shop.put(*(film(number, **({"text": "New."} if number == 2 else {})) for number in range(6)))
    assert shop.run()["described"] == 6
    assert endpoint.counts["i2"] == 2 and len(endpoint.asked) == 7


def test_the_answers_of_a_run_serve_another_machine_and_are_the_same_bytes_there(
    shop: Shop, endpoint: Endpoint, tmp_path: Path
) -> None:
    shop.run()
    other = Shop(tmp_path / "other", endpoint.address)
    other.put(*(film(number) for number in reversed(range(6))))
    given = shop.paths()["answers"].read_bytes()
    other.paths()["known_answers"].write_bytes(given)
    assert other.run()["described"] == 6
    assert other.paths()["answers"].read_bytes() == given
    assert len(endpoint.asked) == 6


def test_an_answer_of_ones_own_goes_before_one_that_was_shipped_later(shop: Shop) -> None:
    shop.run()
    ship(shop, "A summary that came with the project and that nobody here has asked for.")
    shop.run()
    assert summaries(shop)["i0"] == SUMMARY


def test_a_shipped_answer_that_is_corrected_replaces_the_one_of_the_last_run(shop: Shop) -> None:
    wrong, right = "A film about two friends who never meet.", "A film about two friends who meet on a train."
    for summary in (wrong, right):
        ship(shop, summary)
        shop.run(engine="shipped")
    assert summaries(shop) == {"i0": right}
