"""What is written is in the next answer, in every worker and after a restart; what cannot be taken is told."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from components.bundle.bundle import Bundle
from components.serving.app import create_app
from components.serving.settings import ServingSettings
from tests.serving.conftest import HERE, key_for, settings_in

UNICORN = {
    "title": "Unicorn raincoat in purple",
    "text": "A raincoat with a horn on its hood, for girls.",
    "price": 21.5,
    "currency": "EUR",
    "brand": "Hornsby",
    "category": "coats",
    "attributes": {"audience": ["girls"], "colour": ["purple"], "season": ["autumn"]},
}


@pytest.fixture
def settings(tmp_path: Path) -> ServingSettings:
    return settings_in(tmp_path)


@pytest.fixture
def admin(settings: ServingSettings) -> dict[str, str]:
    return key_for(settings, "admin")


@pytest.fixture
def client(bundle_folder: Path, settings: ServingSettings) -> Iterator[TestClient]:
    with TestClient(create_app(Bundle.load(bundle_folder), settings), client=HERE) as client:
        yield client


@pytest.fixture
def other(bundle_folder: Path, settings: ServingSettings) -> Iterator[TestClient]:
    """Another worker over the same database."""
    with TestClient(create_app(Bundle.load(bundle_folder), settings), client=HERE) as client:
        yield client


def found(client: TestClient, **asked: Any) -> list[dict[str, Any]]:
    hits: list[dict[str, Any]] = client.get("/search", params=asked).json()["hits"]
    return hits


def test_an_item_that_was_put_is_found_by_words_by_meaning_and_by_filter_in_every_worker(
    client: TestClient, other: TestClient, admin: dict[str, str]
) -> None:
    for worker in (client, other):
        assert "brand" not in worker.get("/search", params={"q": "hornsby raincoat"}).json()["filters"]
    assert client.put("/items/u/1", json=UNICORN, headers=admin).status_code == 201
    for worker in (client, other):
        assert found(worker, q="unicorn raincoat")[0]["item_id"] == "u/1"
        assert (
            found(worker, q="something against wet weather with a horn, for my daughter")[0]["title"]
            == UNICORN["title"]
        )
        assert [hit["item_id"] for hit in found(worker, q="coat", filter="colour:purple")] == ["u/1"]
        assert worker.get("/search", params={"q": "hornsby raincoat"}).json()["filters"]["brand"] == [
            "Hornsby"
        ]
        assert worker.get("/recommend/items/u/1").json()["hits"]


def test_a_word_that_was_mended_is_right_once_an_item_says_it(
    client: TestClient, other: TestClient, admin: dict[str, str]
) -> None:
    for worker in (client, other):
        assert worker.get("/search", params={"q": "jackot"}).json()["corrections"] == {"jackot": "jacket"}
    assert client.put("/items/u/1", json=UNICORN | {"title": "Jackot"}, headers=admin).status_code == 201
    for worker in (client, other):
        answer = worker.get("/search", params={"q": "jackot"}).json()
        assert answer["corrections"] == {} and answer["hits"][0]["item_id"] == "u/1"


def test_a_new_price_holds_at_once_and_the_old_one_no_more(
    client: TestClient, other: TestClient, admin: dict[str, str]
) -> None:
    first = found(client, q="summer dress for girls")[0]
    row = {
        "title": first["title"],
        "text": first["text"],
        "price": 4.0,
        "currency": "EUR",
        "attributes": {"audience": ["girls"], "season": ["summer"]},
    }
    assert client.put(f"/items/{first['item_id']}", json=row, headers=admin).status_code == 200
    for worker in (client, other):
        cheap = found(worker, q="summer dress for girls", price_max=5)
        assert [(hit["item_id"], hit["price"]) for hit in cheap] == [(first["item_id"], 4.0)]
        dear = found(worker, q="summer dress for girls", price_min=5, k=100)
        assert first["item_id"] not in {hit["item_id"] for hit in dear}


def test_a_removed_item_is_in_no_answer_until_it_is_put_again(
    client: TestClient, other: TestClient, admin: dict[str, str]
) -> None:
    first = found(client, q="sandals for boys")[0]["item_id"]
    assert client.delete(f"/items/{first}", headers=admin).status_code == 204
    assert client.delete(f"/items/{first}", headers=admin).status_code == 404
    for worker in (client, other):
        assert first not in {hit["item_id"] for hit in found(worker, q="sandals for boys", k=100)}
        assert worker.get(f"/recommend/items/{first}").status_code == 404
    assert client.put(f"/items/{first}", json=UNICORN, headers=admin).status_code == 201
    assert found(other, q="unicorn raincoat")[0]["item_id"] == first


def test_a_click_moves_what_a_person_is_shown_and_the_item_itself_is_not_shown_again(
    client: TestClient, other: TestClient, admin: dict[str, str]
) -> None:
    assert "Nothing is known" in other.get("/recommend/users/zoe").json()["note"]
    told = {"interactions": [{"user_id": "zoe", "item_id": item} for item in ("f0001", "f0002")]}
    assert client.post("/interactions", json=told, headers=admin).status_code == 201
    for worker in (client, other):
        answer = worker.get("/recommend/users/zoe?k=20").json()
        assert answer["note"] is None and answer["hits"][0]["why"].startswith("Fits your taste, such as ")
        assert {"f0001", "f0002"}.isdisjoint(hit["item_id"] for hit in answer["hits"])


def test_a_bad_rating_is_kept_but_is_no_liking(client: TestClient, admin: dict[str, str]) -> None:
    told = {"interactions": [{"user_id": "zoe", "item_id": "f0001", "kind": "rating", "weight": 1}]}
    assert client.post("/interactions", json=told, headers=admin).status_code == 201
    person = client.get("/users/zoe", headers=admin).json()
    assert [one["weight"] for one in person["told"]] == [1] and person["likings"] == []


def test_an_erased_person_is_a_stranger_whose_words_are_gone_from_the_disk(
    client: TestClient, other: TestClient, admin: dict[str, str], settings: ServingSettings
) -> None:
    known = client.app.state.service.replica.bundle.histories.find_most_active(1)[0]  # type: ignore[attr-defined]
    told = {"interactions": [{"user_id": known, "item_id": "f0003"}]}
    client.post("/interactions", json=told, headers=admin)
    assert len(client.get(f"/users/{known}", headers=admin).json()["told"]) == 1
    assert client.delete(f"/users/{known}", headers=admin).status_code == 204
    for worker in (client, other):
        assert worker.get(f"/users/{known}", headers=admin).json() == {
            "user_id": known,
            "likings": [],
            "told": [],
        }
        assert "Nothing is known" in worker.get(f"/recommend/users/{known}").json()["note"]
    assert f'value="{known}"' not in client.get("/", headers={"accept": "text/html"}).text


def test_what_was_written_is_there_after_a_restart(
    bundle_folder: Path, client: TestClient, settings: ServingSettings, admin: dict[str, str]
) -> None:
    client.put("/items/u1", json=UNICORN | {"title": "Another"}, headers=admin)
    client.put("/items/u1", json=UNICORN, headers=admin)
    client.put("/items/u2", json=UNICORN, headers=admin)
    client.delete("/items/u2", headers=admin)
    before = client.get("/search", params={"q": "unicorn raincoat"}).json()
    with TestClient(create_app(Bundle.load(bundle_folder), settings), client=HERE) as again:
        assert again.get("/search", params={"q": "unicorn raincoat"}).json() == before
        assert len(again.app.state.service.log.read_after(0)) == 2  # type: ignore[attr-defined]


def test_a_batch_takes_what_it_can_and_tells_the_lines_that_it_cannot(
    client: TestClient, admin: dict[str, str]
) -> None:
    lines = [f'{{"item_id": "b{number}", "title": "Bobble hat {number}"}}' for number in range(300)]
    lines[7], lines[9], lines[11] = "", '{"item_id": "b9"}', "[1, 2"
    lines[13] = '{"item_id": "b13", "title": "Hat", "price": -1}'
    answer = client.post("/items/batch", content="\n".join(lines), headers=admin).json()
    assert (answer["accepted"], answer["refused"]) == (296, 3)
    assert [one["line"] for one in answer["refusals"]] == [10, 12, 14]
    assert answer["refusals"][2]["reason"].startswith("price: ")
    assert found(client, q="bobble hat 299")[0]["title"].startswith("Bobble hat")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"title": ""}, "title"), ({"title": "\x00\x01"}, "title"), ({"title": None}, "title"),
        ({"price": -1}, "price"), ({"price": "cheap"}, "price"), ({"price": 1e13}, "price"),
        ({"currency": "euro"}, "currency"), ({"year": 10_000}, "year"), ({"colour": "red"}, "colour"),
        ({"image": "javascript:alert(1)"}, "image"), ({"image": "http://plain.example/a.png"}, "image"),
        ({"attributes": {"colour": "red"}}, "colour"), ({"attributes": {"colour": ["x" * 201]}}, "colour"),
        ({"text": "x" * 10_001}, "text"),
    ],
)  # fmt: skip
def test_a_field_that_cannot_be_taken_is_named(
    client: TestClient, admin: dict[str, str], change: dict[str, Any], named: str
) -> None:
    answer = client.put("/items/u1", json=UNICORN | change, headers=admin)
    assert answer.status_code == 422 and named in answer.json()["detail"]
    assert client.get("/readyz").json()["changes"] == 0


@pytest.mark.parametrize("one", [
    {"user_id": "zoe", "item_id": "none such"}, {"user_id": "", "item_id": "f0001"},
    {"user_id": "a\nb", "item_id": "f0001"}, {"user_id": "zoe", "item_id": "f0001", "kind": "sniff"},
    {"user_id": "zoe", "item_id": "f0001", "timestamp": 1_795_000_000_000},
    {"user_id": "zoe", "item_id": "f0001", "weight": -1},
])  # fmt: skip
def test_of_interactions_all_are_taken_or_none(
    client: TestClient, admin: dict[str, str], one: dict[str, Any]
) -> None:
    good = {"user_id": "zoe", "item_id": "f0001"}
    answer = client.post("/interactions", json={"interactions": [good, one]}, headers=admin)
    assert answer.status_code == 422 and "interactions.1" in answer.json()["detail"]
    assert client.get("/users/zoe", headers=admin).json()["told"] == []


def test_pages_by_cursor_repeat_and_lose_nothing_though_items_come_and_go(
    client: TestClient, admin: dict[str, str]
) -> None:
    whole = [hit["item_id"] for hit in found(client, q="shoes", k=100)]
    seen: list[str] = []
    asked: dict[str, Any] = {"q": "shoes", "k": 9}
    for turn in range(11):
        page = client.get("/search", params=asked).json()
        seen += [hit["item_id"] for hit in page["hits"]]
        asked["cursor"] = page["next"]
        client.put(f"/items/n{turn}", json=UNICORN, headers=admin)
        client.delete(f"/items/{seen[turn]}", headers=admin)
    assert [item for item in seen if not item.startswith("n")][:90] == whole[:90]
    assert len(seen) == len(set(seen)) == 99


def test_the_last_page_has_no_next_and_all_pages_together_are_the_total(client: TestClient) -> None:
    asked: dict[str, Any] = {"q": "summer", "k": 50, "filter": "brand:Scamp"}
    first = client.get("/search", params=asked).json()
    assert first["next"] is None and first["total"] == len(first["hits"]) > 3
    halves = client.get("/search", params=asked | {"k": first["total"] - 1}).json()
    rest = client.get("/search", params=asked | {"cursor": halves["next"]}).json()
    assert halves["hits"] + rest["hits"] == first["hits"] and rest["next"] is None
