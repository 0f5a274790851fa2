"""The ASGI application: JSON for programs and one page for people."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import APIRouter, FastAPI
from fastapi.staticfiles import StaticFiles

from components.bundle.bundle import Bundle
from components.serving.auth import Authorizer
from components.serving.error_handlers import add_error_handlers
from components.serving.middleware import BodyLimit, RequestMetrics, SecurityHeaders
from components.serving.replica import Replica
from components.serving.routes.health import health_router, metrics_router
from components.serving.routes.interactions import interactions_router
from components.serving.routes.items import BATCH_PATH, items_router
from components.serving.routes.page import Page, page_router
from components.serving.routes.recommend import recommend_router
from components.serving.routes.reports import reports_router
from components.serving.routes.search import search_router
from components.serving.routes.users import users_router
from components.serving.service import FindChampion, Service
from components.serving.settings import ServingSettings
from components.serving.storage.change_log import ChangeLog
from components.serving.storage.database import open_database

STATIC = Path(__file__).parent / "static"


def create_app(
    bundle: Bundle,
    settings: ServingSettings,
    version: str | None = None,
    find_champion: FindChampion | None = None,
) -> FastAPI:
    """Return the service over a loaded bundle.

    version: the bundle's number in the registry. find_champion: asks the registry for the version to serve next.
    Raises ServiceError where the database cannot be opened.
    """
    log = ChangeLog(open_database(settings.change_log))
    service = Service(Replica(bundle, log, version), settings, find_champion)
    page = Page(service)

    @asynccontextmanager
    async def manage_lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await service.start()
        yield
        await service.stop()

    app = FastAPI(
        title="Tandem",
        description="Search and recommendations from one published model.",
        version="1",
        docs_url=None,  # FastAPI's own docs load scripts from a CDN, which the security policy refuses
        redoc_url=None,
        lifespan=manage_lifespan,
    )
    app.state.service = service
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    # The last one added is the outermost: a refused body is measured and has the security headers too
    app.add_middleware(
        BodyLimit, max_bytes=settings.maximum_body_bytes, streamed_paths=frozenset({BATCH_PATH})
    )
    app.add_middleware(RequestMetrics)
    app.add_middleware(SecurityHeaders)
    add_error_handlers(app, page.render_notice)
    for router in _build_routers(service, page):
        app.include_router(router)
    return app


def _build_routers(service: Service, page: Page) -> tuple[APIRouter, ...]:
    authorizer = Authorizer(service)  # one for all, so that the requests of a key are counted together
    return (
        search_router(service, authorizer),
        recommend_router(service, authorizer),
        items_router(service, authorizer),
        interactions_router(service, authorizer),
        users_router(service, authorizer),
        reports_router(service, authorizer),
        health_router(service),
        metrics_router(authorizer),
        page_router(service, authorizer, page),
    )
