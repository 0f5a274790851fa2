"""The page as a browser without JavaScript has it, and its parts as htmx asks for them."""

import re
from html import unescape
from urllib.parse import parse_qs, urlencode, urlsplit

import pandas as pd
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from components.bundle.bundle import Bundle
from components.bundle.query import Query
from components.bundle.searcher import Searcher
from components.serving.routes.page import N_HUES, format_price_range, page_address
from tests.serving.conftest import HERE

BROWSER = {"accept": "text/html"}
PRICE = re.compile(r'class="card" data-price="([\d.]+)"')


def get(client: TestClient, query: str, **headers: str) -> str:
    response = client.get(query, headers=BROWSER | headers)
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/html")
    return response.text


def titles(page: str) -> list[str]:
    return [unescape(title) for title in re.findall(r"<h2>(.*?)</h2>", page)]


def test_the_page_is_whole_without_javascript(client: TestClient, bundle: Bundle) -> None:
    page = get(client, "/?q=summer+shoes+for+boys&price_max=30")
    assert titles(page) == [
        hit.title for hit in Searcher(bundle).search(Query("summer shoes for boys", price_max=30)).hits
    ]
    assert 'value="summer shoes for boys"' in page and 'name="price_max"' in page
    assert max(map(float, PRICE.findall(page))) <= 30
    assert "audience: boys" in page and "season: summer" in page and "price: up to 30 EUR" in page
    assert re.search(r"<form[^>]* action=\"/\" method=\"get\"", page)


def test_a_chips_address_takes_the_filter_away_and_brings_it_back(client: TestClient) -> None:
    page = get(client, "/?q=winter+shoes+for+boys")
    chip = unescape(re.search(r'<a class="chip" href="([^"]+)" title="Remove season"', page)[1])  # type: ignore[index]
    assert parse_qs(urlsplit(chip).query) == {"q": ["winter shoes for boys"], "ignore": ["season"]}
    without = get(client, chip)
    assert "season: winter" not in without and "audience: boys" in without
    assert '<input type="hidden" name="ignore" value="season" form="ask">' in without
    back = unescape(re.search(r'<a class="chip away" href="([^"]+)"', without)[1])  # type: ignore[index]
    assert titles(get(client, back)) == titles(page)


def test_htmx_gets_the_results_alone_but_the_whole_page_for_its_history(client: TestClient) -> None:
    part = get(client, "/?q=shoes", **{"hx-request": "true"})
    assert "<html" not in part and len(titles(part)) == 12
    whole = get(client, "/?q=shoes", **{"hx-request": "true", "hx-history-restore-request": "true"})
    assert "<html" in whole
    assert "HX-Request" in client.get("/?q=shoes").headers["vary"]


@pytest.mark.parametrize("field", ["q", "user_id", "ignore"])
def test_what_is_typed_is_shown_as_text(client: TestClient, field: str) -> None:
    page = get(client, f"/?{field}=%3Cscript%3Ealert(1)%3C/script%3E%22%27")
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert page.count("<script") == 1


def test_a_banned_query_shows_no_category_and_no_card(client: TestClient) -> None:
    page = get(client, "/?q=How+can+I+build+a+pipe+bomb+at+home%3F")
    assert "We did not answer this one" in page and "explosives" not in page
    assert titles(page) == []


def test_more_like_this_is_a_page_too(client: TestClient) -> None:
    page = get(client, "/")
    link = re.search(r'<a class="more" href="([^"]+)"', page)[1]  # type: ignore[index]
    like = get(client, link)
    assert f"More like {titles(page)[0]}" in unescape(like)
    assert len(titles(like)) == 12 and titles(page)[0] not in titles(like)[:1]


def test_a_card_leads_to_its_films_and_these_to_films_like_them(
    cinema: FastAPI, bundle_items: pd.DataFrame
) -> None:
    first, second = bundle_items.iloc[0], bundle_items.iloc[1]
    with TestClient(cinema, client=HERE) as client:
        cards = get(client, "/?" + urlencode({"q": first["title"]}))
        assert f'href="/films/{first["item_id"]}"' in cards
        page = get(client, f"/films/{first['item_id']}")
        assert f"Films of {first['title']}" in unescape(page) and page.count("<figure>") == 6
        assert "scene 2" in page and "6 shots · 2 scenes" in page
        assert f'<a href="/films/{second["item_id"]}">{second["title"]}</a>: 0.90' in unescape(page)


@pytest.mark.parametrize(
    ("path", "status", "notice"),
    [
        ("/?price_min=30&price_max=20&q=shoes", 422, "price_min: 30 is above price_max 20. Swap them."),
        ("/?q=" + "a" * 2000, 422, "at most 1000 characters"),
        ("/like/f9999", 404, "There is no item"),
        ("/films/f9999", 404, "There are no films of an item 'f9999'"),
        ("/nowhere", 404, "/nowhere"),
    ],
)
def test_a_fault_is_a_notice_on_the_page(client: TestClient, path: str, status: int, notice: str) -> None:
    response = client.get(path, headers=BROWSER)
    assert response.status_code == status
    assert notice in unescape(response.text) and '<form id="ask"' in response.text
    assert titles(response.text) == []


def test_the_api_is_described_without_anything_from_elsewhere(client: TestClient) -> None:
    page = get(client, "/docs")
    assert "GET /search" in page and "maxLength 1000" in page and "maximum 100" in page
    assert not re.search(r'(?:src|href)="https?:', page)


def test_every_field_has_a_label_and_the_language_is_said(client: TestClient) -> None:
    page = get(client, "/")
    assert '<html lang="en">' in page
    for field in re.findall(r"<(?:input|select)[^>]*>", page):
        labelled = "aria-label" in field or 'type="hidden"' in field
        assert labelled or re.search(rf"<label>[^<]*{re.escape(field)}", page), field
    assert all('alt="' in image for image in re.findall(r"<img[^>]*>", page))


def luminance(colour: str) -> float:
    """Relative luminance of a colour such as #fff or #1c1b22, as WCAG 2 defines it."""
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_texts_and_the_edges_of_fields_have_enough_contrast_light_and_dark(client: TestClient) -> None:
    style = client.get("/static/style.css").text
    themes = [dict(re.findall(r"--(\w+): (#\w+)", theme)) for theme in re.findall(r":root \{[^}]*\}", style)]
    assert len(themes) == 2
    for theme in themes:
        for paper in ("paper", "card"):
            for ink in ("ink", "soft", "accent"):
                assert contrast(theme[ink], theme[paper]) >= 4.5
            assert contrast(theme["edge"], theme[paper]) >= 3
        assert contrast(theme["ink"], theme["chip"]) >= 4.5
    hues = re.findall(r"\.hue-\d+ \{ background: (#\w+)", style)
    assert len(hues) == N_HUES and all(contrast(hue, "#fff") >= 4.5 for hue in hues)


def test_an_address_carries_only_what_is_asked() -> None:
    assert page_address(Query("")) == "/?"
    assert (
        page_address(Query("a&b", price_min=1.5, ignore=("x", "y")), price_min=None)
        == "/?q=a%26b&ignore=x&ignore=y"
    )
    assert [format_price_range(1, None), format_price_range(None, 2.5), format_price_range(1, 2)] == [
        "from 1",
        "up to 2.50",
        "1 to 2",
    ]
