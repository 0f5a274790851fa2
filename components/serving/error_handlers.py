"""Handlers that turn every exception into problem details for programs and into a notice on the page for people."""

import logging
from collections.abc import Callable
from http import HTTPStatus

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException

from components.bundle.pagination import CursorError
from components.serving.middleware import SECURITY_HEADERS
from components.serving.problems import field_path, problem_response

MAX_NAMED_FIELDS = 5
RenderNotice = Callable[[Request, int, str], Response]
logger = logging.getLogger("tandem.serving")


def add_error_handlers(app: FastAPI, render_notice: RenderNotice) -> None:
    """Answer each exception to a program as problem details, and to a browser by `render_notice`.

    No answer shows a traceback or a text from the code: the details of unexpected errors are only in the log.
    """

    def respond(request: Request, status: int, detail: str) -> Response:
        render = render_notice if is_browser(request) else _render_problem
        return render(request, status, detail)

    @app.exception_handler(HTTPException)
    async def handle_http_error(request: Request, error: HTTPException) -> Response:
        detail = error.detail
        # Starlette's own 404 and 405 say nothing but their status, so the address is added
        if detail == HTTPStatus(error.status_code).phrase:
            detail = f"{request.method} {request.url.path[:80]}: {detail}."
        response = respond(request, error.status_code, detail)
        response.headers.update(error.headers or {})  # Allow, Retry-After and WWW-Authenticate
        return response

    @app.exception_handler(RequestValidationError)
    async def handle_invalid_request(request: Request, error: RequestValidationError) -> Response:
        errors = error.errors()
        # FastAPI has one exception for bodies that are not JSON and for wrong fields; their statuses differ
        if errors[0]["type"] == "json_invalid":
            return respond(request, 400, "The body is not JSON. Correct it.")
        # The first part of a location is where the field was read: body, query or path
        named = [f"{field_path(one['loc'][1:])}: {one['msg']}" for one in errors[:MAX_NAMED_FIELDS]]
        return respond(request, 422, f"{'; '.join(named)}. Correct the named field.")

    @app.exception_handler(SQLAlchemyError)
    async def handle_database_error(request: Request, error: SQLAlchemyError) -> Response:
        logger.error("The change log refused a write: %s", error)
        return respond(request, 503, "The change log does not answer, so nothing was changed. Try again.")

    @app.exception_handler(CursorError)
    async def handle_cursor_error(request: Request, error: CursorError) -> Response:
        return respond(request, 422, str(error))

    @app.exception_handler(Exception)
    async def handle_unexpected_error(request: Request, error: Exception) -> Response:
        response = respond(request, 500, "The service failed on this request. The reason is in its log.")
        # Starlette calls this handler outside of all middleware, so SecurityHeaders does not see its response
        response.headers.update(SECURITY_HEADERS)
        return response


def _render_problem(_request: Request, status: int, detail: str) -> Response:
    return problem_response(status, detail)


def is_browser(request: Request) -> bool:
    """Return whether a browser shows the answer to a person."""
    # htmx accepts */*, so it is known by its own header
    return "hx-request" in request.headers or "text/html" in request.headers.get("accept", "")
