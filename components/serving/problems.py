"""Problem details (RFC 9457), and the ones that each endpoint documents in OpenAPI."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi.responses import JSONResponse
from pydantic import BaseModel

MEDIA_TYPE = "application/problem+json"


class Problem(BaseModel):
    """What went wrong, in the fields of RFC 9457."""

    type: str
    status: int
    title: str
    detail: str


def document_errors(descriptions: Mapping[int, str]) -> dict[int | str, dict[str, Any]]:
    """Return OpenAPI's `responses` for errors, from their descriptions by status."""
    # FastAPI's `model` key would document application/json, which no error has
    content = {MEDIA_TYPE: {"schema": Problem.model_json_schema()}}
    responses: dict[int | str, dict[str, Any]] = {}
    for status, description in descriptions.items():
        responses[status] = {"description": description, "content": content}
    return responses


READ_ERRORS = document_errors(
    {
        401: "A key is needed, or this key is unknown",
        403: "The scope of the key is too narrow",
        404: "There is nothing at this address",
        422: "A field is out of its bounds; the detail names it",
        429: "Too many requests from one key or address",
    }
)
WRITE_ERRORS = READ_ERRORS | document_errors(
    {400: "The body is not JSON", 413: "The body is too large", 503: "The change log does not answer"}
)


def problem_response(status: int, detail: str) -> JSONResponse:
    """Return an error as problem details."""
    # "about:blank" is RFC 9457's type for a problem that says no more than its status does
    problem = Problem(type="about:blank", status=status, title=HTTPStatus(status).phrase, detail=detail)
    return JSONResponse(problem.model_dump(), status, media_type=MEDIA_TYPE)


def field_path(location: Sequence[str | int], whole: str = "body") -> str:
    """Return the name of a field in an error, such as `items.3.price`, or `whole` where no one field is wrong."""
    # Keys of a body are the client's, so their length is bounded before they are shown
    return ".".join([str(part)[:80] for part in location]) or whole
