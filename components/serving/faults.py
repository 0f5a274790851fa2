"""Every fault is a problem (RFC 9457) for programs and a notice on the page for people; none shows the code."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

Notice = Callable[[Request, int, str], Response]
MEDIA_TYPE = "application/problem+json"
DOCUMENTED: dict[int | str, dict[str, Any]] = {
    422: {"description": "A field is out of its bounds; the detail names it", "content": {MEDIA_TYPE: {}}}
}
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
        told = "; ".join(f"{error['loc'][-1]}: {error['msg']}" for error in fault.errors())
        return tell(request, 422, f"{told}. Mend the named field.")

    @app.exception_handler(Exception)
    async def broken(request: Request, fault: Exception) -> Response:
        response = tell(request, 500, "The service has a fault. Its log says more.")
        response.headers.update(HEADERS)
        return response


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
