"""Answer over HTTP: JSON for programs, one page for people."""

from pathlib import Path

import uvicorn
from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles

from components.bundle.load import Bundle
from components.serving.answers import add_answers
from components.serving.faults import add_faults
from components.serving.page import Page, add_page
from components.serving.settings import ServingSettings

STATIC = Path(__file__).parent / "static"
SETTINGS = Path("conf/serving.yaml")


def create_app(bundle: Bundle, settings: ServingSettings, version: str | None = None) -> FastAPI:
    """The service over a loaded bundle; `version` is its number in the registry."""
    app = FastAPI(
        title="Tandem",
        description="Search and recommendations from one published model.",
        version="1",
        docs_url=None,
        redoc_url=None,
    )
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    page = Page(bundle, settings)
    add_faults(app, page.notice)
    add_answers(app, bundle, settings, version)
    add_page(app, page)
    return app


def serve(folder: Path, host: str, port: int, version: str | None = None) -> None:
    """Verify and load a bundle, then listen."""
    app = create_app(Bundle.load(folder), ServingSettings.read(SETTINGS), version)
    print(f"Open http://{host}:{port}", flush=True)
    uvicorn.run(app, host=host, port=port, log_level="warning")
