"""Answer over HTTP: JSON for programs, one page for people; faults are problem details (RFC 9457)."""

import hashlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlencode

import uvicorn
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi import Path as UrlPath
from fastapi import Query as Param
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse
from fastapi.staticfiles import StaticFiles
from fastapi.templating import Jinja2Templates
from starlette.exceptions import HTTPException as PlainHTTPException

from components.bundle.answers import Answer, Query, recommend_for_user, recommend_like_item, search
from components.bundle.load import Bundle
from components.serving.settings import ServingSettings

HERE = Path(__file__).parent
SETTINGS = Path("conf/serving.yaml")
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data: https:; style-src 'self'; script-src 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}


def create_app(bundle: Bundle, settings: ServingSettings) -> FastAPI:
    """The service over a loaded bundle."""
    app = FastAPI(
        title="Tandem", description="Search and recommendations from one published model.", version="1"
    )
    templates = Jinja2Templates(HERE / "templates")
    templates.env.filters["hue"] = lambda text: (
        f"hue-{int(hashlib.sha256(text.encode()).hexdigest(), 16) % 12}"
    )
    app.mount("/static", StaticFiles(directory=HERE / "static"), name="static")
    add_faults(app)
    add_answers(app, bundle, settings)
    add_page(app, bundle, settings, templates)
    return app


def add_faults(app: FastAPI) -> None:
    """Every fault is a problem; every answer carries the security headers."""

    @app.exception_handler(PlainHTTPException)
    async def plain(request: Request, fault: PlainHTTPException) -> Response:
        return problem(fault.status_code, str(fault.detail))

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, fault: RequestValidationError) -> Response:
        told = "; ".join(f"{error['loc'][-1]}: {error['msg']}" for error in fault.errors())
        return problem(422, f"{told}. Mend the named field.")

    @app.middleware("http")
    async def headers(request: Request, call: Callable[[Request], Awaitable[Response]]) -> Response:
        response = await call(request)
        if not request.url.path.startswith("/docs"):
            response.headers.update(HEADERS)
        return response


def problem(status: int, detail: str) -> JSONResponse:
    """A fault as RFC 9457 has it."""
    body = {
        "type": "about:blank",
        "status": status,
        "title": "The request cannot be answered",
        "detail": detail,
    }
    return JSONResponse(body, status, media_type="application/problem+json")


def question(settings: ServingSettings) -> Callable[..., Query]:
    """The dependency that reads a query from the URL within the limits."""

    def read(
        q: Annotated[
            str, Param(description="What a person would type", max_length=settings.maximum_query_characters)
        ] = "",
        user_id: Annotated[str | None, Param(max_length=200)] = None,
        price_min: Annotated[str | None, Param(examples=["10"])] = None,
        price_max: Annotated[str | None, Param(examples=["50"])] = None,
        k: Annotated[int, Param(ge=1, le=settings.maximum_items)] = 12,
        ignore: Annotated[list[str] | None, Param(description="Understood filters to leave out")] = None,
    ) -> Query:
        low, high = _price("price_min", price_min), _price("price_max", price_max)
        if low is not None and high is not None and low > high:
            raise HTTPException(422, f"price_min: {low:g} is above price_max {high:g}. Swap them.")
        return Query(q, user_id or None, low, high, k, tuple(ignore or ()))

    return read


def _price(name: str, text: str | None) -> float | None:
    """A price of the URL; an empty field is no limit."""
    if text is None or not text.strip():
        return None
    try:
        value = float(text)
    except ValueError:
        raise HTTPException(
            422, f"{name}: {text[:40]!r} is not a number. Write digits and a point."
        ) from None
    if not 0 <= value < 1e12:
        raise HTTPException(422, f"{name}: {text[:40]!r} is not a price. Give a number from 0.")
    return value


def add_answers(app: FastAPI, bundle: Bundle, settings: ServingSettings) -> None:
    """The endpoints for programs."""
    from fastapi import Depends

    asked = Depends(question(settings))
    count = Annotated[int, Param(ge=1, le=settings.maximum_items)]

    @app.get("/search")
    def find(query: Query = asked) -> dict[str, Any]:
        """Rank items for a query, within a price range and fitted to a person."""
        return search(bundle, query).as_dict()

    @app.get("/recommend/users/{user_id}")
    def for_user(user_id: str, k: count = 12) -> dict[str, Any]:  # type: ignore[valid-type]
        """What a person's history leads to."""
        return recommend_for_user(bundle, user_id, k).as_dict()

    @app.get("/recommend/items/{item_id}")
    def like_item(item_id: Annotated[str, UrlPath()], k: count = 12) -> dict[str, Any]:  # type: ignore[valid-type]
        """Items like an item."""
        return like(bundle, item_id, k).as_dict()

    @app.get("/healthz")
    def healthz() -> dict[str, str]:
        """Whether the process answers."""
        return {"status": "ok"}

    @app.get("/readyz")
    def readyz() -> dict[str, Any]:
        """Whether a model is loaded, and which."""
        return {"status": "ready", "items": len(bundle.items), "shop": bundle.manifest["shop"]["name"]}


def like(bundle: Bundle, item_id: str, k: int) -> Answer:
    """Items like an item, or 404 that says which there is not."""
    if item_id not in bundle.factors.rows:
        raise HTTPException(404, f"There is no item {item_id[:80]!r}.")
    return recommend_like_item(bundle, item_id, k)


def add_page(app: FastAPI, bundle: Bundle, settings: ServingSettings, templates: Jinja2Templates) -> None:
    """The page: whole for a browser, its results alone for htmx."""
    from fastapi import Depends

    asked = Depends(question(settings))
    prices = bundle.items["price"].dropna()
    shown = {
        "shop": bundle.manifest["shop"],
        "highest": None if prices.empty else int(prices.max()) + 1,
        "people": sorted(bundle.histories, key=lambda user: (-len(bundle.histories[user]), user))[
            : settings.people
        ],
    }

    def page(request: Request, query: Query, answer: Answer, heading: str) -> Response:
        part = "results.html" if "hx-request" in request.headers else "page.html"
        values = {
            **shown,
            "query": query,
            "answer": answer,
            "heading": heading,
            "link": lambda **new: _link(query, new),
        }
        return templates.TemplateResponse(request, part, values)

    @app.get("/", response_class=HTMLResponse, include_in_schema=False)
    def home(request: Request, query: Query = asked) -> Response:
        heading = "Results" if query.text.strip() else "For you" if query.user_id else "Popular now"
        return page(request, query, search(bundle, query), heading)

    @app.get("/like/{item_id}", response_class=HTMLResponse, include_in_schema=False)
    def more(request: Request, item_id: str, query: Query = asked) -> Response:
        answer = like(bundle, item_id, query.k)
        return page(
            request, query, answer, f"More like {bundle.items['title'].iloc[bundle.factors.rows[item_id]]}"
        )


def _link(query: Query, new: dict[str, Any]) -> str:
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


def serve(folder: Path, host: str, port: int) -> None:
    """Verify and load a bundle, then listen."""
    app = create_app(Bundle.load(folder), ServingSettings.read(SETTINGS))
    print(f"Open http://{host}:{port}", flush=True)
    uvicorn.run(app, host=host, port=port, log_level="warning")
