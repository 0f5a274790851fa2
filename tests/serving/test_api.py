"""The endpoints for programs, and how they tell faults."""

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient

from components.bundle.bundle import Bundle
from components.bundle.query import Query
from components.bundle.searcher import Searcher
from components.serving.app import create_app
from tests.serving.conftest import HERE, settings_in

GRANDCHILDREN = "My wife who loves shopping summer fashion for her grandchildren"


def problem_of(response: Any) -> dict[str, Any]:
    """The problem details of a fault, whole and true to its status."""
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert body["status"] == response.status_code
    assert {"type", "title", "detail"} < set(body)
    return body


def test_search_answers_as_the_bundle_does(client: TestClient, bundle: Bundle) -> None:
    given = {"q": GRANDCHILDREN, "price_max": "25", "user_id": "u234", "k": "7", "ignore": "season"}
    expected = Searcher(bundle).search(Query(GRANDCHILDREN, "u234", None, 25.0, 7, ("season",)))
    assert client.get("/search", params=given).json() == expected.as_dict()
    assert len(expected.hits) == 7


def test_recommendations_answer_as_the_bundle_does(client: TestClient, bundle: Bundle) -> None:
    person = bundle.histories.find_most_active(1)[0]
    assert (
        client.get(f"/recommend/users/{person}?k=5").json()
        == Searcher(bundle).recommend_for_user(person, 5).as_dict()
    )
    assert (
        client.get("/recommend/items/f0001").json()
        == Searcher(bundle).recommend_similar_items("f0001", 12).as_dict()
    )


def test_a_person_who_is_not_known_gets_what_is_popular_and_a_note(client: TestClient) -> None:
    answer = client.get("/recommend/users/no/body")
    assert answer.status_code == 200
    assert "Nothing is known" in answer.json()["note"]


def test_a_banned_query_has_no_items_and_says_its_category(client: TestClient) -> None:
    answer = client.get("/search", params={"q": "How can I build a pipe bomb at home?"}).json()
    assert answer["hits"] == []
    assert answer["blocked"]["category"] in {"explosives", "weapons"}


def test_health_and_readiness_name_what_is_served(client: TestClient, bundle: Bundle) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").json() == {
        "status": "ready",
        "version": "7",
        "bundle_sha256": bundle.identity,
        "shop": "Harbour Street fashion",
        "items": 572,
        "changes": 0,
        "faults": [],
    }


@pytest.mark.parametrize(
    ("path", "status", "detail"),
    [
        ("/nowhere", 404, "/nowhere"),
        ("/recommend/items/f9999", 404, "There is no item 'f9999'."),
        ("/search?k=0", 422, "k: Input should be greater than or equal to 1"),
        ("/search?k=101", 422, "k: Input should be less than or equal to 100"),
        ("/search?k=many", 422, "k: Input should be a valid integer"),
        ("/recommend/items/f0001?k=0", 422, "k: "),
        ("/search?q=" + "a" * 10_000, 422, "q: String should have at most 1000 characters"),
        ("/search?price_min=30&price_max=20", 422, "price_min: 30 is above price_max 20. Swap them."),
        ("/search?price_min=12,90", 422, "price_min: '12,90' is not a number. Write digits and a point."),
        ("/search?price_max=nan", 422, "price_max: 'nan' is not a price. Give a number from 0."),
        ("/search?price_max=-1", 422, "price_max: '-1' is not a price."),
        ("/static/../app.py", 404, ""),
    ],
)
def test_a_fault_is_a_problem_that_says_what_to_mend(
    client: TestClient, path: str, status: int, detail: str
) -> None:
    response = client.get(path)
    assert response.status_code == status
    assert detail in problem_of(response)["detail"]


def test_another_method_is_a_problem_and_names_what_is_allowed(client: TestClient) -> None:
    response = client.post("/search")
    assert response.status_code == 405
    problem_of(response)
    assert response.headers["allow"] == "GET"


def test_a_fault_of_the_service_is_a_problem_without_its_code(bundle: Bundle, tmp_path: Path) -> None:
    broken = dataclasses.replace(bundle, bm25=None)
    client = TestClient(create_app(broken, settings_in(tmp_path)), client=HERE, raise_server_exceptions=False)
    response = client.get("/search?q=shoes")
    assert response.status_code == 500
    assert problem_of(response)["title"] == "Internal Server Error"
    assert "bm25" not in response.text and "Traceback" not in response.text
    assert "frame-ancestors" in response.headers["content-security-policy"]


@pytest.mark.parametrize(
    "path", ["/", "/docs", "/search?q=shoes", "/nowhere", "/search?k=0", "/static/style.css"]
)
def test_every_answer_carries_the_security_headers(client: TestClient, path: str) -> None:
    headers = client.get(path).headers
    assert "default-src 'self'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"


def test_many_at_once_get_the_answers_that_one_gets(address: str, bundle: Bundle) -> None:
    texts = [
        f"{colour} {kind}"
        for colour in ("red", "blue", "green")
        for kind in ("shoes", "dress", "coat", "hat")
    ]
    with ThreadPoolExecutor(12) as pool, httpx.Client(base_url=address, timeout=60) as http:
        answers = list(pool.map(lambda text: http.get("/search", params={"q": text}).json(), texts * 3))
    for text, answer in zip(texts * 3, answers, strict=True):
        expected = [hit.item_id for hit in Searcher(bundle).search(Query(text)).hits]
        assert [hit["item_id"] for hit in answer["hits"]] == expected


def test_the_schema_describes_answers_and_faults(client: TestClient) -> None:
    schema = client.get("/openapi.json").json()
    assert set(schema["paths"]) == {
        "/search", "/recommend/users/{user_id}", "/recommend/items/{item_id}", "/recommend/session",
        "/items/{item_id}", "/items/batch", "/interactions", "/reports/blocked", "/users/{user_id}",
        "/healthz", "/readyz", "/metrics",
    }  # fmt: skip
    found = schema["paths"]["/search"]["get"]["responses"]
    assert found["200"]["content"]["application/json"]["schema"]["$ref"].endswith("/Answer")
    assert list(found["422"]["content"]) == ["application/problem+json"]
