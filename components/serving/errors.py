"""Every fault is a problem (RFC 9457) for programs and a notice on the page for people; none shows the code."""

import logging
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from sqlalchemy.exc import SQLAlchemyError
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from components.bundle.pagination import CursorError

MOST_TOLD = 5
told = logging.getLogger("tandem.serving")
Notice = Callable[[Request, int, str], Response]
MEDIA_TYPE = "application/problem+json"


class Problem(BaseModel):
    """What a fault is, as RFC 9457 has it."""

    type: str
    status: int
    title: str
    detail: str


def faults(told: Mapping[int, str]) -> dict[int | str, dict[str, Any]]:
    """The faults that an endpoint documents, by status."""
    schema = {MEDIA_TYPE: {"schema": Problem.model_json_schema()}}
    return {status: {"description": said, "content": schema} for status, said in told.items()}


READS = faults(
    {
        401: "A key is needed, or this one is not known",
        403: "The key does not go so far",
        404: "There is nothing at this address",
        422: "A field is out of its bounds; the detail names it",
        429: "Too many requests of one key or address",
    }
)
WRITES = READS | faults(
    {400: "The body is not JSON", 413: "The body is too large", 503: "The change log does not answer"}
)
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data: https:; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'; object-src 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}


class SecurityHeaders:
    """Puts the security headers on every response."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the app does."""

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        await self.app(scope, receive, guarded)


def add_faults(app: FastAPI, notice: Notice) -> None:
    """Tell every fault to whoever asked: a program or, by the notice, a person."""
    app.add_middleware(SecurityHeaders)

    def tell(request: Request, status: int, detail: str) -> Response:
        return notice(request, status, detail) if from_person(request) else problem(status, detail)

    @app.exception_handler(HTTPException)
    async def refused(request: Request, fault: HTTPException) -> Response:
        unsaid = fault.detail == HTTPStatus(fault.status_code).phrase
        detail = f"{request.method} {request.url.path[:80]}: {fault.detail}." if unsaid else fault.detail
        response = tell(request, fault.status_code, detail)
        response.headers.update(fault.headers or {})
        return response

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, fault: RequestValidationError) -> Response:
        errors = fault.errors()
        if errors[0]["type"] == "json_invalid":
            return tell(request, 400, "The body is not JSON. Mend it.")
        named = "; ".join(f"{_place(error['loc'])}: {error['msg']}" for error in errors[:MOST_TOLD])
        return tell(request, 422, f"{named}. Mend the named field.")

    @app.exception_handler(SQLAlchemyError)
    async def unwritten(request: Request, fault: SQLAlchemyError) -> Response:
        told.error("The change log refused a write: %s", fault)
        return tell(request, 503, "The change log does not answer, so nothing was changed. Try again.")

    @app.exception_handler(CursorError)
    async def no_cursor(request: Request, fault: CursorError) -> Response:
        return tell(request, 422, str(fault))

    @app.exception_handler(Exception)
    async def broken(request: Request, fault: Exception) -> Response:
        response = tell(request, 500, "The service has a fault. Its log says more.")
        response.headers.update(HEADERS)
        return response


def _place(location: Sequence[str | int]) -> str:
    """Which field, without where it was read from: `items.3.price`."""
    parts = [str(part)[:80] for part in location if part not in ("body", "query", "path", "header")]
    return ".".join(parts) or "body"


def from_person(request: Request) -> bool:
    """Whether a browser shows the answer to a person."""
    return "hx-request" in request.headers or "text/html" in request.headers.get("accept", "")


def problem(status: int, detail: str) -> JSONResponse:
    """A fault as RFC 9457 has it."""
    body = {
        "type": "about:blank",
        "status": status,
        "title": HTTPStatus(status).phrase,
        "detail": detail,
    }
    return JSONResponse(body, status, media_type=MEDIA_TYPE)
