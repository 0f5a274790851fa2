"""The page: whole for a browser, its results alone for htmx; everything works without JavaScript."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlencode

from fastapi import Depends, FastAPI, Request, Response
from fastapi.responses import HTMLResponse
from fastapi.templating import Jinja2Templates

from components.bundle.answers import Answer, Query, search
from components.bundle.load import Bundle
from components.serving.answers import like
from components.serving.asking import question
from components.serving.settings import ServingSettings

TEMPLATES = Path(__file__).parent / "templates"
HUES = 12


@dataclass(frozen=True)
class Chip:
    """What was understood, or taken away, and the address of the page that is otherwise."""

    label: str
    address: str
    says: str
    away: bool = False


class Page:
    """Shows answers to people."""

    def __init__(self, bundle: Bundle, settings: ServingSettings) -> None:
        self.bundle, self.settings = bundle, settings
        self.templates = Jinja2Templates(TEMPLATES)
        self.templates.env.filters |= {"hue": hue, "amount": amount}
        prices = bundle.shelf.items["price"].dropna()
        self.always = {
            "shop": bundle.manifest["shop"],
            "priced": not prices.empty,
            "people": bundle.histories.longest(settings.people),
            "longest": settings.maximum_query_characters,
        }

    def show(
        self, request: Request, query: Query, answer: Answer, heading: str, status: int = 200
    ) -> Response:
        """An answer: the whole page, or the results where htmx changes the page in place."""
        restored = "hx-history-restore-request" in request.headers
        part = "hx-request" in request.headers and not restored
        values = {
            **self.always,
            "query": query,
            "answer": answer,
            "heading": heading,
            "part": part,
            "chips": chips(query, answer, self.bundle.manifest["shop"].get("currency") or ""),
        }
        template = "results.html" if part else "page.html"
        return self.templates.TemplateResponse(
            request, template, values, status, headers={"Vary": "HX-Request, Accept"}
        )

    def notice(self, request: Request, status: int, detail: str) -> Response:
        """A fault, with the form that it can be mended in."""
        typed = request.query_params.get("q", "")[: self.settings.maximum_query_characters]
        return self.show(request, Query(typed), Answer(note=detail), HTTPStatus(status).phrase, status)


def add_page(app: FastAPI, page: Page) -> None:
    """The addresses that people open."""
    bundle = page.bundle
    asked = Depends(question(page.settings))

    @app.get("/", response_class=HTMLResponse, include_in_schema=False)
    def home(request: Request, query: Query = asked) -> Response:
        heading = "Results" if query.text.strip() else "For you" if query.user_id else "Popular now"
        return page.show(request, query, search(bundle, query), heading)

    @app.get("/like/{item_id:path}", response_class=HTMLResponse, include_in_schema=False)
    def more(request: Request, item_id: str, query: Query = asked) -> Response:
        answer = like(bundle, item_id, query.k)
        title = bundle.shelf.items["title"].iloc[bundle.factors.rows[item_id]]
        return page.show(request, query, answer, f"More like {title}")

    @app.get("/docs", response_class=HTMLResponse, include_in_schema=False)
    def docs(request: Request) -> Response:
        values = {"api": app.openapi(), "shop": bundle.manifest["shop"]}
        return page.templates.TemplateResponse(request, "api.html", values)


def chips(query: Query, answer: Answer, currency: str) -> list[Chip]:
    """What was understood, each to be taken away, then what was taken away, each to be brought back."""
    ignored = list(query.ignore)
    found = [
        Chip(f"{name}: {', '.join(values)}", address(query, ignore=[*ignored, name]), f"Remove {name}")
        for name, values in answer.understood.items()
    ]
    priced = answer.price_min is not None or answer.price_max is not None
    if priced and not answer.blocked:
        without = address(query, ignore=[*ignored, "price"], price_min=None, price_max=None)
        label = f"price: {price_range(answer.price_min, answer.price_max)} {currency}".strip()
        found.append(Chip(label, without, "Remove price"))
    away = [name for name in ignored if not (name == "price" and priced)]
    return found + [
        Chip(
            f"any {name}",
            address(query, ignore=[n for n in ignored if n != name]),
            f"Mind {name} again",
            True,
        )
        for name in away
    ]


def address(query: Query, **new: float | Sequence[str] | None) -> str:
    """The address of the page for the query with some things changed."""
    values = {
        "q": query.text,
        "user_id": query.user_id,
        "price_min": query.price_min,
        "price_max": query.price_max,
        "ignore": list(query.ignore),
    } | new
    return "/?" + urlencode(
        {name: value for name, value in values.items() if value not in (None, "", [])}, doseq=True
    )


def price_range(low: float | None, high: float | None) -> str:
    """A price range in words."""
    if low is None or high is None:
        return f"up to {amount(high)}" if low is None else f"from {amount(low)}"
    return f"{amount(low)} to {amount(high)}"


def amount(price: float | None) -> str:
    """A price without decimals where it has none; empty where there is no price."""
    return "" if price is None else f"{price:.2f}".removesuffix(".00")


def hue(text: str) -> str:
    """One of the style sheet's colours for an item without a picture, the same for the same text."""
    return f"hue-{int(hashlib.sha256(text.encode()).hexdigest(), 16) % HUES}"
