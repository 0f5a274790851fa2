"""The page for people: whole for a browser, its results alone for htmx; everything works without JavaScript."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
from fastapi import APIRouter, Depends, HTTPException, Request, Response
from fastapi.responses import HTMLResponse
from fastapi.templating import Jinja2Templates

from components.bundle.bundle import Bundle
from components.bundle.query import EXCLUSION, PRICE, SPELLING, Answer, Query
from components.serving.auth import Authorizer
from components.serving.query_params import query_dependency
from components.serving.routes.recommend import recommend_similar
from components.serving.service import Service

TEMPLATES = Path(__file__).parents[1] / "templates"
N_HUES = 12
MAX_VALUES, MAX_FACETS = 8, 8
SORTS = {"relevance": "best first", "-year": "newest first"}
PRICED_SORTS = {
    "relevance": "best first",
    "price": "cheapest first",
    "-price": "dearest first",
    "-year": "newest first",
}
THANKS = "A person will look at your search. Once they agree, it is answered."


@dataclass(frozen=True)
class FilterChip:
    """A filter of the query, or one that the user removed, with the address of the page where it is the other way.

    action: what the link does, for screen readers and as its title.
    """

    label: str
    address: str
    action: str
    removed: bool = False


@dataclass(frozen=True)
class FacetChoice:
    """A value that items can be narrowed by, and the address of the page with it chosen or not."""

    value: str
    count: int
    chosen: bool
    address: str


class Page:
    """Renders answers as HTML."""

    def __init__(self, service: Service) -> None:
        self.service, self.settings = service, service.settings
        self.templates = Jinja2Templates(TEMPLATES)
        self.templates.env.filters |= {"hue": pick_hue, "price": format_price}

    def render_answer(
        self, request: Request, query: Query, answer: Answer, heading: str, status: int = 200
    ) -> Response:
        """Render an answer: the whole page, or its results where htmx changes the page in place."""
        # Where htmx has no copy of a page in its history, it asks again and replaces all of the page
        restored = "hx-history-restore-request" in request.headers
        part = "hx-request" in request.headers and not restored
        template = "results.html" if part else "page.html"
        values = self._template_values(query, answer, heading) | {"part": part}
        # Vary, because one address has three answers: a browser's back button must not get the part from its cache
        return self.templates.TemplateResponse(
            request, template, context=values, status_code=status, headers={"Vary": "HX-Request, Accept"}
        )

    def render_films(self, request: Request, title: str, films: list[dict[str, Any]]) -> Response:
        """Render an item's films as strips, and the films that are like them."""
        # The page's form stays: a search leads back to the cards
        values = self._template_values(Query(""), Answer(), f"Films of {title}") | {"films": films}
        return self.templates.TemplateResponse(request, "films.html", values)

    def render_notice(self, request: Request, status: int, detail: str) -> Response:
        """Render an error, with the form in which the user can correct the query."""
        # The text alone is kept: any other field may be the one that is wrong, and was not validated
        text = request.query_params.get("q", "")[: self.settings.maximum_query_characters]
        answer, heading = Answer(note=detail), HTTPStatus(status).phrase
        return self.render_answer(request, Query(text), answer=answer, heading=heading, status=status)

    def _template_values(self, query: Query, answer: Answer, heading: str) -> dict[str, Any]:
        """Return what the templates show."""
        bundle = self.service.replica.bundle
        has_prices = bundle.vocabulary.prices is not None
        return {
            "shop": bundle.manifest["shop"],
            "priced": has_prices,
            "people": bundle.histories.find_most_active(self.settings.people),
            "longest": self.settings.maximum_query_characters,
            "query": query,
            "answer": answer,
            "heading": heading,
            "filmed": bundle.films,
            "sorts": PRICED_SORTS if has_prices else SORTS,
            "facets": facet_choices(query, answer),
            "more": page_address(query, cursor=answer.next) if answer.next else None,
            "chips": filter_chips(query, answer, bundle.manifest["shop"].get("currency") or ""),
        }


def page_router(service: Service, authorizer: Authorizer, page: Page) -> APIRouter:
    """Return the router of the addresses that people open."""
    router = APIRouter(
        dependencies=[Depends(authorizer.require_scope("read"))],
        default_response_class=HTMLResponse,
        include_in_schema=False,
    )
    url_query = Depends(query_dependency(service.settings))

    @router.get("/")
    async def show_home(request: Request, query: Query = url_query, reported: bool = False) -> Response:
        if reported:
            answer = replace(await service.answer_query(query), note=THANKS)
            return page.render_answer(request, query, answer=answer, heading="Thank you")
        heading = "For you" if query.user_id else "Popular now"
        if query.text.strip():
            heading = "Results"
        answer = await service.answer_query(replace(query, facets=True))
        return page.render_answer(request, query, answer=answer, heading=heading)

    @router.get("/like/{item_id:path}")
    async def show_similar(request: Request, item_id: str, query: Query = url_query) -> Response:
        replica = await service.current()
        answer = recommend_similar(replica, item_id, query.k)
        heading = f"More like {find_title(replica.bundle, item_id)}"
        return page.render_answer(request, query, answer=answer, heading=heading)

    @router.get("/films/{item_id:path}")
    async def show_films(request: Request, item_id: str) -> Response:
        bundle = (await service.current()).bundle
        title, films = find_title(bundle, item_id), bundle.films.of_item(item_id)
        if title is None or not films:
            raise HTTPException(404, f"There are no films of an item {item_id[:80]!r}.")
        for film in films:
            for neighbour in film["neighbours"]:
                # Titles are of now: an item may have been renamed or removed since its film was compared
                neighbour["title"] = find_title(bundle, neighbour["item_id"])
        return page.render_films(request, title, films)

    @router.get("/docs")
    async def show_docs(request: Request) -> Response:
        values = {"api": request.app.openapi(), "shop": service.replica.bundle.manifest["shop"]}
        return page.templates.TemplateResponse(request, "api.html", values)

    return router


def find_title(bundle: Bundle, item_id: str) -> str | None:
    """Return the title of an item, or None where there is no such item."""
    row = bundle.items.row_of(item_id)
    return None if row is None else bundle.items.titles(np.array([row]))[0]


def facet_choices(query: Query, answer: Answer) -> dict[str, list[FacetChoice]]:
    """Return the values that the found items can be narrowed by, the chosen ones first, by facet."""
    facets = answer.facets or {}
    choices: dict[str, list[FacetChoice]] = {}
    for name in {**facets, **query.filters}:
        counts, chosen = facets.get(name, {}), query.filters.get(name, ())
        values = list(dict.fromkeys([*chosen, *list(counts)[:MAX_VALUES]]))
        # One value narrows nothing, but a chosen one must stay so that it can be taken back
        if len(values) < 2 and not chosen:
            continue
        choices[name] = []
        for value in values:
            address = page_address(query, filter=_toggle_filter(query, name, value), cursor=None)
            choice = FacetChoice(value, counts.get(value, 0), chosen=value in chosen, address=address)
            choices[name].append(choice)
    return dict(list(choices.items())[:MAX_FACETS])


def _toggle_filter(query: Query, name: str, value: str) -> list[str]:
    filters, toggled = format_filters(query.filters), f"{name}:{value}"
    if toggled not in filters:
        return [*filters, toggled]
    filters.remove(toggled)
    return filters


def format_filters(filters: Mapping[str, Sequence[str]]) -> list[str]:
    """Return filters as a URL has them, such as `colour:red`."""
    texts = []
    for name, values in filters.items():
        texts += [f"{name}:{value}" for value in values]
    return texts


def filter_chips(query: Query, answer: Answer, currency: str) -> list[FilterChip]:
    """Return a chip for each filter of a query, which removes it, and then one for each that the user removed."""
    ignored = list(query.ignore)
    chips = []
    if answer.corrections:
        corrected = ", ".join(map(" → ".join, answer.corrections.items()))
        address = page_address(query, ignore=[*ignored, SPELLING])
        chips.append(
            FilterChip(f"spelling: {corrected}", address, action="Search for the words as they are written")
        )
    parsed = dict(answer.filters)
    for facet, values in answer.exclusions.items():
        parsed[f"{EXCLUSION}{facet}"] = values
    for name, values in parsed.items():
        address = page_address(query, ignore=[*ignored, name])
        chips.append(FilterChip(f"{name}: {', '.join(values)}", address, action=f"Remove {name}"))
    for name, chosen in query.filters.items():
        others = {other: query.filters[other] for other in query.filters if other != name}
        address = page_address(query, filter=format_filters(others))
        chips.append(FilterChip(f"{name}: {', '.join(chosen)}", address, action=f"Remove {name}"))
    has_range = answer.price_min is not None or answer.price_max is not None
    if has_range and not answer.blocked:
        # Both: a range of the text would come back if only the one of the form were removed
        address = page_address(query, ignore=[*ignored, PRICE], price_min=None, price_max=None)
        label = f"price: {format_price_range(answer.price_min, answer.price_max)} {currency}".strip()
        chips.append(FilterChip(label, address, action="Remove price"))
    for name in ignored:
        # A range of the form counts although the price of the text is ignored, and has its chip above
        if name == PRICE and has_range:
            continue
        address = page_address(query, ignore=[other for other in ignored if other != name])
        chips.append(FilterChip(_removed_label(name), address, action=f"Apply {name} again", removed=True))
    return chips


def _removed_label(name: str) -> str:
    if name == SPELLING:
        return "words as written"
    if name.startswith(EXCLUSION):
        return f"no {name.removeprefix(EXCLUSION)} left out"
    return f"any {name}"


def page_address(query: Query, **changes: float | Sequence[str] | None) -> str:
    """Return the address of the page for a query with some parameters changed."""
    parameters = {
        "q": query.text,
        "user_id": query.user_id,
        "price_min": query.price_min,
        "price_max": query.price_max,
        "ignore": list(query.ignore),
        "filter": format_filters(query.filters),
        "sort": query.sort if query.sort != "relevance" else None,
    } | changes
    given = {name: value for name, value in parameters.items() if value not in (None, "", [])}
    return "/?" + urlencode(given, doseq=True)


def format_price_range(low: float | None, high: float | None) -> str:
    """Return a price range in words; at least one end is given."""
    if low is None:
        return f"up to {format_price(high)}"
    if high is None:
        return f"from {format_price(low)}"
    return f"{format_price(low)} to {format_price(high)}"


def format_price(price: float | None) -> str:
    """Return a price without decimals where it has none, or an empty text where there is no price."""
    return "" if price is None else f"{price:.2f}".removesuffix(".00")


def pick_hue(text: str) -> str:
    """Return one of the style sheet's colours, the same for the same text, for an item without a picture."""
    # hash() differs between processes, so two workers would give one item two colours
    return f"hue-{int(hashlib.sha256(text.encode()).hexdigest(), 16) % N_HUES}"
