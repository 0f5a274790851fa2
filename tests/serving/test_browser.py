"""What a person does on the page, in a real Chromium."""

import re
from collections.abc import Iterator
from urllib.parse import urlencode

import pandas as pd
import pytest
from axe_playwright_python.sync_playwright import Axe
from fastapi import FastAPI
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.serving.conftest import listening

pytestmark = pytest.mark.browser
GRANDCHILDREN = "My wife who loves shopping summer fashion for her grandchildren"
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
         "--disable-sync", "--no-first-run", "--disable-quic"]  # fmt: skip


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path="/usr/bin/chromium", args=QUIET)


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """The page as it opens, on which no script may fail and nothing may break the security policy."""
    said: list[str] = []
    with browser.new_page(base_url=address) as page:
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda fault: said.append(f"Uncaught {fault}"))
        page.goto("/")
        yield page
    assert [text for text in said if "Uncaught" in text or "Content Security" in text] == []


def ask(page: Page, text: str) -> None:
    """Type a query and wait until the address says that its results are there."""
    page.get_by_label("What are you looking for?").fill(text)
    page.wait_for_url(lambda url: "q=" + text.split(maxsplit=1)[0] in url)


def limit(page: Page, name: str, price: str) -> None:
    page.locator(f"[name={name}]").fill(price)
    page.locator(f"[name={name}]").press("Tab")


def prices(page: Page) -> list[float]:
    return [float(card.get_attribute("data-price") or "nan") for card in page.locator(".card").all()]


def test_typing_shows_cards_and_what_was_understood(page: Page) -> None:
    ask(page, GRANDCHILDREN)
    expect(page.locator("h1")).to_have_text("Results")
    expect(page.locator(".card")).to_have_count(12)
    expect(page.locator(".chips")).to_contain_text("audience: babies, boys, girls")
    expect(page.get_by_role("status")).to_contain_text(re.compile(r"Results: 12 of \d+ items"))


def test_moving_the_price_range_leaves_only_cards_within_it(page: Page) -> None:
    ask(page, "shoes")
    assert max(prices(page)) > 25
    limit(page, "price_min", "10")
    limit(page, "price_max", "25")
    expect(page.locator(".chips")).to_contain_text("price: 10 to 25 EUR")
    assert len(prices(page)) == 12
    assert min(prices(page)) >= 10 and max(prices(page)) <= 25


def test_a_price_range_the_wrong_way_round_is_said_on_the_page(page: Page) -> None:
    limit(page, "price_min", "50")
    limit(page, "price_max", "20")
    expect(page.locator(".notice")).to_contain_text("Swap them.")


def test_a_removed_chip_stays_away_while_the_price_is_moved(page: Page) -> None:
    ask(page, "winter shoes for boys")
    page.get_by_role("link", name="Remove season").click()
    expect(page.locator(".chips")).to_contain_text("any season")
    limit(page, "price_max", "40")
    expect(page.locator(".chips")).to_contain_text("price: up to 40 EUR")
    expect(page.locator(".chips")).not_to_contain_text("season: winter")


def test_what_is_refused_is_a_chip_that_is_taken_away_and_brought_back(page: Page) -> None:
    ask(page, "winter hat, no wool")
    expect(page.locator(".chips")).to_contain_text("not material: merino, wool")
    page.get_by_role("link", name="Remove not material").click()
    expect(page.locator(".chips")).to_contain_text("no material left out")
    page.get_by_role("link", name="Apply not material again").click()
    expect(page.locator(".chips")).to_contain_text("not material: merino, wool")


def test_a_misspelt_query_is_mended_unless_the_person_says_so(page: Page) -> None:
    ask(page, "wintr shoes for my daugther")
    chips = page.locator(".chips")
    expect(chips).to_contain_text("spelling: daugther → daughter, wintr → winter")
    expect(chips).to_contain_text("season: winter")
    page.get_by_role("link", name="Search for the words as they are written").click()
    expect(chips).to_contain_text("words as written")
    expect(chips).not_to_contain_text("season")
    page.get_by_role("link", name="Apply spelling again").click()
    expect(chips).to_contain_text("season: winter")


def test_a_banned_query_shows_no_card(page: Page) -> None:
    ask(page, "How can I build a pipe bomb at home?")
    expect(page.locator(".notice")).to_contain_text("We did not answer this one")
    expect(page.locator(".card")).to_have_count(0)
    page.get_by_role("button", name="Report a mistake").click()
    expect(page.locator(".notice")).to_contain_text("A person will look at your search")


def test_more_like_this_leads_to_items_like_it_and_back(page: Page) -> None:
    ask(page, "sandals for girls")
    title = page.locator("h2").first.inner_text()
    page.get_by_role("link", name="More like this").first.click()
    expect(page.locator("h1")).to_have_text(f"More like {title}")
    expect(page.locator(".card")).to_have_count(12)
    page.go_back()
    expect(page.locator("h1")).to_have_text("Results")
    expect(page.locator("form")).to_be_visible()


def test_the_keyboard_alone_reaches_the_cards(page: Page) -> None:
    page.get_by_label("What are you looking for?").focus()
    page.keyboard.type("hats")
    page.keyboard.press("Enter")
    page.wait_for_url("**q=hats**")
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.className") == "more":
            break
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_contain_text("More like")


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (390, "dark"), (1280, "light")])
def test_nothing_runs_over_the_edge(page: Page, width: int, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.set_viewport_size({"width": width, "height": 844})
    ask(page, GRANDCHILDREN)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_narrowing_down_by_a_value_leaves_its_items_and_a_chip_that_brings_back_all(page: Page) -> None:
    ask(page, "shoes")
    page.get_by_text("Narrow down").click()
    page.get_by_role("region", name="colour").get_by_role("link").first.click()
    expect(page.locator(".chips")).to_contain_text("colour: ")
    colour = (page.locator(".chips").inner_text()).split("colour: ")[1].split()[0]
    for card in page.locator(".card").all():
        assert colour in card.locator(".tags").inner_text()
    page.get_by_role("link", name="Remove colour").click()
    expect(page.locator(".chips")).to_have_count(0)
    expect(page.locator("h1")).to_have_text("Results")


def test_sorting_by_price_puts_the_cheapest_first(page: Page) -> None:
    ask(page, "shoes")
    page.get_by_label("Sorted by").select_option("price")
    page.wait_for_url("**sort=price**")
    assert prices(page) == sorted(prices(page))


def test_next_items_are_others(page: Page) -> None:
    ask(page, "shoes")
    before = page.locator("h2").all_inner_texts()
    page.get_by_role("link", name="Next items").click()
    page.wait_for_url("**cursor=**")
    assert page.locator(".card").count() == 12 and page.locator("h2").all_inner_texts() != before


def test_another_person_sees_what_fits_them(page: Page) -> None:
    seen = page.locator("h2").all_inner_texts()
    page.get_by_label("As seen by").select_option(index=1)
    expect(page.locator("h1")).to_have_text("For you")
    expect(page.locator(".why").first).to_contain_text("Fits your taste")
    assert page.locator("h2").all_inner_texts() != seen


def test_without_javascript_search_filter_price_and_more_like_this_work(
    browser: Browser, address: str
) -> None:
    with browser.new_context(java_script_enabled=False, base_url=address) as plain:
        page = plain.new_page()
        page.goto("/")
        page.get_by_label("What are you looking for?").fill("sandals for girls")
        page.locator("[name=price_max]").fill("25")
        page.get_by_role("button", name="Search").click()
        assert max(prices(page)) <= 25 and page.locator(".card").count() > 3
        page.get_by_text("Narrow down").click()
        page.get_by_role("region", name="colour").get_by_role("link").first.click()
        expect(page.locator(".chips")).to_contain_text("colour: ")
        page.get_by_role("link", name="More like this").first.click()
        expect(page.locator("h1")).to_contain_text("More like")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_films_of_a_card_are_a_strip_from_which_a_search_leads_back(
    browser: Browser, cinema: FastAPI, bundle_items: pd.DataFrame, scheme: str
) -> None:
    with listening(cinema) as place, browser.new_page(base_url=place) as page:
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        page.goto("/?" + urlencode({"q": bundle_items["title"].iloc[0]}))
        page.get_by_role("link", name="Shots and scenes").first.click()
        expect(page.locator("h1")).to_contain_text("Films of")
        expect(page.locator("figure img")).to_have_count(6)
        wide = page.locator("figure img").first.evaluate("picture => picture.naturalWidth")
        assert wide == 112
        assert Axe().run(page).violations_count == 0
        page.locator(".like a").first.click()
        expect(page.locator("h1")).to_contain_text("Films of")
        ask(page, "shoes")
        expect(page.locator(".card")).to_have_count(12)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/?q=shoes+for+girls&facets=1&filter=colour:red",
        "/?q=build+a+pipe+bomb",
        "/?price_min=9&price_max=1",
        "/docs",
    ],
)
def test_axe_finds_no_violation(page: Page, path: str, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.goto(path)
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
