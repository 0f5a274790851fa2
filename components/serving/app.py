"""Answer over HTTP: JSON for programs, one page for people."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from time import perf_counter

from fastapi import APIRouter, Depends, FastAPI, Response
from fastapi.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from components.bundle.bundle import Bundle
from components.serving import metrics
from components.serving.auth import Authorizer, BodyLimit
from components.serving.errors import READS, add_faults
from components.serving.replica import Replica
from components.serving.routes.answers import answers, health
from components.serving.routes.changes import BATCH, writes
from components.serving.routes.page import Page, pages
from components.serving.routes.reports import reports
from components.serving.routes.users import people
from components.serving.service import Champion, Service
from components.serving.settings import ServingSettings
from components.serving.storage.change_log import ChangeLog
from components.serving.storage.database import open_database

STATIC = Path(__file__).parent / "static"


def create_app(
    bundle: Bundle, settings: ServingSettings, version: str | None = None, champion: Champion | None = None
) -> FastAPI:
    """The service over a loaded bundle; `version` is its number in the registry, `champion` asks for the next.

    Raises ServiceError where the database cannot be opened.
    """
    log = ChangeLog(open_database(settings.change_log))
    service = Service(Replica(bundle, log, version), settings, champion)
    door, page = Authorizer(service), Page(service)

    @asynccontextmanager
    async def life(_app: FastAPI) -> AsyncIterator[None]:
        await service.start()
        yield
        await service.stop()

    app = FastAPI(
        title="Tandem",
        description="Search and recommendations from one published model.",
        version="1",
        docs_url=None,
        redoc_url=None,
        lifespan=life,
    )
    app.state.service = service
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    app.add_middleware(BodyLimit, most=settings.maximum_body_bytes, streams=frozenset({BATCH}))
    app.add_middleware(RequestMetrics)
    add_faults(app, page.notice)
    for router in (
        answers(service, door),
        writes(service, door),
        people(service, door),
        reports(service, door),
        health(service),
        _metrics(door),
        pages(service, door, page),
    ):
        app.include_router(router)
    return app


def _metrics(door: Authorizer) -> APIRouter:
    router = APIRouter(dependencies=[Depends(door.requires("read"))])

    @router.get("/metrics", responses=READS, response_class=Response)
    async def measured() -> Response:
        """What the service measures of itself, for Prometheus."""
        return Response(metrics.exposition(), media_type="text/plain; version=0.0.4; charset=utf-8")

    return router


class RequestMetrics:
    """Measures the time of every request by its route, so that an address that was made up is no series of its own."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the app does."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, status = perf_counter(), 500

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, noted)
        finally:
            route = getattr(scope.get("route"), "path", "none")
            metrics.REQUESTS.labels(route, str(status)).observe(perf_counter() - started)
