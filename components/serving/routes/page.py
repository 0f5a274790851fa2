"""The page: whole for a browser, its results alone for htmx; everything works without JavaScript."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
from fastapi import APIRouter, Depends, HTTPException, Request, Response
from fastapi.responses import HTMLResponse
from fastapi.templating import Jinja2Templates

from components.bundle.bundle import Bundle
from components.bundle.query import EXCLUSION, SPELLING, Answer, Query
from components.serving.auth import Authorizer
from components.serving.query_params import question
from components.serving.routes.answers import recommend_similar
from components.serving.service import Service

TEMPLATES = Path(__file__).parents[1] / "templates"
HUES = 12
MOST_VALUES, MOST_FACETS = 8, 8
SORTS = {
    "relevance": "best first",
    "price": "cheapest first",
    "-price": "dearest first",
    "-year": "newest first",
}
REPORTED = "A person will look at your search. Once they agree, it is answered."
UNPRICED_SORTS = ("relevance", "-year")


@dataclass(frozen=True)
class FilterChip:
    """What was understood, or taken away, and the address of the page that is otherwise."""

    label: str
    address: str
    says: str
    away: bool = False


@dataclass(frozen=True)
class FacetChoice:
    """A value that items can be narrowed by, and the address of the page with it or without."""

    value: str
    count: int
    chosen: bool
    address: str


class Page:
    """Shows answers to people."""

    def __init__(self, service: Service) -> None:
        self.service, self.settings = service, service.settings
        self.templates = Jinja2Templates(TEMPLATES)
        self.templates.env.filters |= {"hue": hue, "amount": amount}

    def show(
        self, request: Request, query: Query, answer: Answer, heading: str, status: int = 200
    ) -> Response:
        """An answer: the whole page, or the results where htmx changes the page in place."""
        restored = "hx-history-restore-request" in request.headers
        part = "hx-request" in request.headers and not restored
        template = "results.html" if part else "page.html"
        values = self._values(query, answer, heading) | {"part": part}
        return self.templates.TemplateResponse(
            request, template, values, status, headers={"Vary": "HX-Request, Accept"}
        )

    def films(self, request: Request, title: str, films: list[dict[str, Any]]) -> Response:
        """The films of an item as strips, and the films that are like them."""
        values = self._values(Query(""), Answer(), f"Films of {title}") | {"films": films}
        return self.templates.TemplateResponse(request, "films.html", values)

    def _values(self, query: Query, answer: Answer, heading: str) -> dict[str, Any]:
        """What the templates show."""
        bundle = self.service.replica.bundle
        priced = bundle.vocabulary.prices is not None
        return {
            "shop": bundle.manifest["shop"],
            "priced": priced,
            "people": bundle.histories.longest(self.settings.people),
            "longest": self.settings.maximum_query_characters,
            "query": query,
            "answer": answer,
            "heading": heading,
            "filmed": bundle.films,
            "sorts": SORTS if priced else {sort: SORTS[sort] for sort in UNPRICED_SORTS},
            "facets": choices(query, answer),
            "more": address(query, cursor=answer.next) if answer.next else None,
            "chips": chips(query, answer, bundle.manifest["shop"].get("currency") or ""),
        }

    def notice(self, request: Request, status: int, detail: str) -> Response:
        """A fault, with the form that it can be mended in."""
        typed = request.query_params.get("q", "")[: self.settings.maximum_query_characters]
        return self.show(request, Query(typed), Answer(note=detail), HTTPStatus(status).phrase, status)


def pages(service: Service, door: Authorizer, page: Page) -> APIRouter:
    """The addresses that people open."""
    router = APIRouter(
        dependencies=[Depends(door.requires("read"))],
        default_response_class=HTMLResponse,
        include_in_schema=False,
    )
    asked = Depends(question(service.settings))

    @router.get("/")
    async def home(request: Request, query: Query = asked, reported: bool = False) -> Response:
        if reported:
            answer = replace(await service.answer(query), note=REPORTED)
            return page.show(request, query, answer, "Thank you")
        heading = "Results" if query.text.strip() else "For you" if query.user_id else "Popular now"
        return page.show(request, query, await service.answer(replace(query, facets=True)), heading)

    @router.get("/like/{item_id:path}")
    async def more(request: Request, item_id: str, query: Query = asked) -> Response:
        replica = await service.current()
        answer = recommend_similar(replica, item_id, query.k)
        return page.show(request, query, answer, f"More like {title_of(replica.bundle, item_id)}")

    @router.get("/films/{item_id:path}")
    async def films(request: Request, item_id: str) -> Response:
        bundle = (await service.current()).bundle
        title, found = title_of(bundle, item_id), bundle.films.of_item(item_id)
        if title is None or not found:
            raise HTTPException(404, f"There are no films of an item {item_id[:80]!r}.")
        for neighbour in chain.from_iterable(film["neighbours"] for film in found):
            neighbour["title"] = title_of(bundle, neighbour["item_id"])
        return page.films(request, title, found)

    @router.get("/docs")
    async def docs(request: Request) -> Response:
        values = {"api": request.app.openapi(), "shop": service.replica.bundle.manifest["shop"]}
        return page.templates.TemplateResponse(request, "api.html", values)

    return router


def title_of(bundle: Bundle, item_id: str) -> str | None:
    """The title of an item, None where there is no such item."""
    row = bundle.items.row_of(item_id)
    return None if row is None else bundle.items.titles(np.array([row]))[0]


def choices(query: Query, answer: Answer) -> dict[str, list[FacetChoice]]:
    """The values that the found items can be narrowed by, with how many have each, and those that are chosen."""
    found: dict[str, list[FacetChoice]] = {}
    for name in {**(answer.facets or {}), **query.filters}:
        counts, chosen = (answer.facets or {}).get(name, {}), query.filters.get(name, ())
        values = [*chosen, *(value for value in list(counts)[:MOST_VALUES] if value not in chosen)]
        if len(values) > 1 or chosen:
            found[name] = [
                FacetChoice(
                    value,
                    counts.get(value, 0),
                    value in chosen,
                    address(query, filter=_toggled(query, name, value), cursor=None),
                )
                for value in values
            ]
    return dict(list(found.items())[:MOST_FACETS])


def _toggled(query: Query, name: str, value: str) -> list[str]:
    chosen = written(query.filters)
    one = f"{name}:{value}"
    return [other for other in chosen if other != one] if one in chosen else [*chosen, one]


def written(filters: Mapping[str, Sequence[str]]) -> list[str]:
    """Filters as the address has them."""
    return [f"{name}:{value}" for name, values in filters.items() for value in values]


def chips(query: Query, answer: Answer, currency: str) -> list[FilterChip]:
    """What was understood, each to be taken away, then what was taken away, each to be brought back."""
    ignored = list(query.ignore)
    found = []
    if answer.corrections:
        meant = ", ".join(f"{wrong} → {right}" for wrong, right in answer.corrections.items())
        written_so = address(query, ignore=[*ignored, SPELLING])
        found.append(FilterChip(f"spelling: {meant}", written_so, "Search for the words as they are written"))
    found += [
        FilterChip(f"{name}: {', '.join(values)}", address(query, ignore=[*ignored, name]), f"Remove {name}")
        for name, values in [
            *answer.filters.items(),
            *((f"{EXCLUSION}{name}", values) for name, values in answer.exclusions.items()),
        ]
    ]
    found += [
        FilterChip(
            f"{name}: {', '.join(values)}",
            address(
                query, filter=written({other: held for other, held in query.filters.items() if other != name})
            ),
            f"Remove {name}",
        )
        for name, values in query.filters.items()
    ]
    priced = answer.price_min is not None or answer.price_max is not None
    if priced and not answer.blocked:
        without = address(query, ignore=[*ignored, "price"], price_min=None, price_max=None)
        label = f"price: {price_range(answer.price_min, answer.price_max)} {currency}".strip()
        found.append(FilterChip(label, without, "Remove price"))
    away = [name for name in ignored if not (name == "price" and priced)]
    return found + [
        FilterChip(
            _taken_away(name),
            address(query, ignore=[n for n in ignored if n != name]),
            f"Mind {name} again",
            True,
        )
        for name in away
    ]


def _taken_away(name: str) -> str:
    if name == SPELLING:
        return "words as written"
    facet = name.removeprefix(EXCLUSION)
    return f"any {name}" if facet == name else f"no {facet} left out"


def address(query: Query, **new: float | Sequence[str] | None) -> str:
    """The address of the page for the query with some things changed."""
    values = {
        "q": query.text,
        "user_id": query.user_id,
        "price_min": query.price_min,
        "price_max": query.price_max,
        "ignore": list(query.ignore),
        "filter": written(query.filters),
        "sort": query.sort if query.sort != "relevance" else None,
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
