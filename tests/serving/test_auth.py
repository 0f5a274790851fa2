"""Who is let in, how often and with how much; and a list of attacks, none of which gets in."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from components.bundle.bundle import Bundle
from components.serving.app import create_app
from components.serving.settings import ServiceError, ServingSettings
from components.serving.storage.api_keys import list_keys, revoke_key
from components.serving.storage.database import open_database
from tests.serving.conftest import HERE, key_for, settings_in

ITEM = {"title": "Hat"}
WRITES = [
    ("PUT", "/items/x", ITEM), ("DELETE", "/items/f0001", None), ("POST", "/items/batch", None),
    ("POST", "/interactions", {"interactions": [{"user_id": "a", "item_id": "f0001"}]}),
]  # fmt: skip
PERSONAL = [("GET", "/users/u234", None), ("DELETE", "/users/u234", None)]
READS = [
    "/search?q=hat",
    "/recommend/users/u1",
    "/recommend/items/f0001",
    "/metrics",
    "/",
    "/like/f0001",
    "/docs",
]


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> ServingSettings:
    return settings_in(tmp_path_factory.mktemp("door"), maximum_body_bytes=5000)


@pytest.fixture(scope="module")
def client(bundle_folder: Path, settings: ServingSettings) -> Iterator[TestClient]:
    with TestClient(create_app(Bundle.load(bundle_folder), settings), client=HERE) as client:
        yield client


@pytest.fixture(scope="module")
def stranger(client: TestClient) -> TestClient:
    """Somebody elsewhere."""
    return TestClient(client.app, client=("192.0.2.7", 4000))


@pytest.mark.parametrize(("method", "path", "body"), WRITES + PERSONAL)
def test_nothing_is_changed_or_told_of_people_without_a_key(
    client: TestClient, method: str, path: str, body: object
) -> None:
    answer = client.request(method, path, json=body)
    assert answer.status_code == 401 and answer.headers["www-authenticate"] == "Bearer"
    assert client.get("/readyz").json()["changes"] == 0


@pytest.mark.parametrize("path", READS)
def test_reads_are_open_on_this_machine_and_need_a_key_from_elsewhere(
    client: TestClient, stranger: TestClient, settings: ServingSettings, path: str
) -> None:
    assert client.get(path).status_code == 200
    assert stranger.get(path).status_code == 401
    known = key_for(settings, "read", f"reader of {path}")
    assert stranger.get(path, headers=known).status_code == 200


def test_health_is_told_to_everybody(stranger: TestClient) -> None:
    assert stranger.get("/healthz").status_code == stranger.get("/readyz").status_code == 200


def test_a_key_goes_as_far_as_its_scope(client: TestClient, settings: ServingSettings) -> None:
    read, write = key_for(settings, "read", "r"), key_for(settings, "write", "w")
    for method, path, body in WRITES:
        assert client.request(method, path, json=body, headers=read).status_code == 403
    for method, path, body in PERSONAL:
        assert client.request(method, path, json=body, headers=write).status_code == 403


def test_a_revoked_key_is_worthless_at_once(client: TestClient, settings: ServingSettings) -> None:
    key = key_for(settings, "admin", "gone")
    assert client.get("/users/u1", headers=key).status_code == 200
    revoke_key(open_database(settings.change_log), "gone")
    assert client.get("/users/u1", headers=key).status_code == 401
    with pytest.raises(ServiceError, match="no key named gone that is in use"):
        revoke_key(open_database(settings.change_log), "gone")


def test_a_name_is_given_once_and_no_secret_lies_on_the_disk(settings: ServingSettings) -> None:
    token = key_for(settings, "write", "feed")["Authorization"].removeprefix("Bearer ")
    with pytest.raises(ServiceError, match="There is a key named feed"):
        key_for(settings, "write", "feed")
    database = Path(settings.change_log.removeprefix("sqlite:///"))
    secret = token[-20:].encode()
    assert all(secret not in file.read_bytes() for file in database.parent.glob("changes.db*"))
    assert "feed" in {key["name"] for key in list_keys(open_database(settings.change_log))}


@pytest.mark.parametrize(
    "header",
    [
        "Bearer ", "Bearer x", "Bearer tandem_0000000000000000_" + "A" * 43, "Basic dGFuZGVtOnRhbmRlbQ==",
        "Bearer ' OR 1=1 --", "Bearer " + "A" * 5000, "bearer null", "Bearer tandem__",
    ],
)  # fmt: skip
def test_made_up_keys_open_nothing(bundle: Bundle, tmp_path: Path, header: str) -> None:
    with TestClient(create_app(bundle, settings_in(tmp_path)), client=HERE) as client:
        assert client.put("/items/x", json=ITEM, headers={"Authorization": header}).status_code == 401


def test_an_altered_key_opens_nothing(client: TestClient, settings: ServingSettings) -> None:
    token = key_for(settings, "write", "altered")["Authorization"]
    other = token[:-1] + ("A" if token[-1] != "A" else "B")
    assert client.put("/items/x", json=ITEM, headers={"Authorization": other}).status_code == 401


def test_guessing_and_asking_too_often_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    settings = settings_in(tmp_path, wrong_keys_per_minute=3, reads_per_minute=5, writes_per_minute=2)
    good = key_for(settings, "write", "good")
    with TestClient(create_app(bundle, settings), client=HERE) as client:
        guesses = [client.put("/items/x", json=ITEM, headers={"Authorization": "Bearer x"}) for _ in range(4)]
        assert [one.status_code for one in guesses] == [401, 401, 401, 429]
        assert guesses[-1].headers["retry-after"] == "60"
        asked = [client.get("/recommend/items/f0001").status_code for _ in range(6)]
        assert asked == [200] * 5 + [429]
    with TestClient(create_app(bundle, settings), client=HERE) as client:
        written = [client.delete("/items/none", headers=good).status_code for _ in range(3)]
        assert written == [404, 404, 429]


def test_a_body_that_is_too_large_is_refused_however_it_comes(
    client: TestClient, settings: ServingSettings
) -> None:
    key = key_for(settings, "write", "large")
    large = b'{"title": "' + b"x" * 6000 + b'"}'
    assert client.put("/items/x", content=large, headers=key).status_code == 413
    assert client.put("/items/x", content=iter([large[:3000], large[3000:]]), headers=key).status_code == 413
    assert client.post("/items/batch", content=iter([b"x" * 60_000] * 3), headers=key).status_code == 413


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/static/../conf/serving.yaml", 404), ("/static/%2e%2e/app.py", 404), ("/static/..%2fapp.py", 404),
        ("//etc/passwd", 404), ("/like/..%2f..%2fetc%2fpasswd", 404), ("/recommend/items/%00", 404),
        ("/search?q=%00%ff", 200), ("/search?q=a&cursor=' OR 1=1", 422), ("/search?filter=colour", 422),
        ("/search?sort=__class__", 422), ("/search?k=1e9", 422), ("/search?price_min=nan", 422),
        ("/search?q=" + "x" * 1001, 422), ("/recommend/users/" + "u" * 201, 422), ("/?q={{7007*7}}", 200),
    ],
)  # fmt: skip
def test_odd_addresses_are_answered_without_a_look_inside(client: TestClient, path: str, status: int) -> None:
    answer = client.get(path)
    assert answer.status_code == status
    for inside in ("Traceback", "root:", "change_log", "site-packages", "49049"):
        assert inside not in answer.text
    assert "script" not in answer.headers["content-security-policy"]


def test_a_script_in_an_item_is_shown_as_text(client: TestClient, settings: ServingSettings) -> None:
    key = key_for(settings, "write", "script")
    evil = {
        "title": "<script>alert(1)</script> hat",
        "text": "<img src=x onerror=alert(1)>",
        "category": '"><b>',
    }
    assert client.put('/items/<i>"', json=evil, headers=key).status_code == 201
    page = client.get("/?q=alert+hat", headers={"accept": "text/html"}).text
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert" not in page and "<img src=x" not in page and '"><b>' not in page


def test_a_database_that_cannot_be_opened_is_a_message() -> None:
    for address in (
        "nonsense",
        "sqlite:////proc/none/changes.db",
        "postgresql+psycopg://tandem@127.0.0.1:1/none",
    ):
        with pytest.raises(
            ServiceError, match=r"cannot be opened: .*Correct change_log in conf/serving\.yaml"
        ):
            open_database(address)
