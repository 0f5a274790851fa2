"""The endpoints that put and remove items: acknowledged on the disk, and in the next answer of every worker."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Path, Request, Response
from pydantic import BaseModel, ValidationError

from components.serving.auth import Authorizer
from components.serving.problems import WRITE_ERRORS, document_errors, field_path
from components.serving.schemas import BatchItemBody, Identity, ItemBody
from components.serving.service import Service
from components.serving.storage.api_keys import ApiKey
from components.serving.storage.change_log import PUT, REMOVED, LogEntry

BATCH_PATH = "/items/batch"
MAX_LINE_BYTES = 100_000
BATCH_SIZE = 256
MAX_REFUSALS = 100
ItemId = Annotated[Identity, Path(description="The item")]


class WriteResult(BaseModel):
    """A change that is on the disk: its place in the order of all changes."""

    sequence: int


class RefusedLine(BaseModel):
    """A line of a batch that was refused."""

    line: int
    reason: str


class BatchResult(BaseModel):
    """The number of accepted and of refused lines, and why the first hundred of these were refused."""

    accepted: int
    refused: int
    refusals: list[RefusedLine]


def items_router(service: Service, authorizer: Authorizer) -> APIRouter:
    """Return the router of items."""
    router = APIRouter()
    writer = Annotated[ApiKey, Depends(authorizer.require_scope("write"))]

    @router.post(BATCH_PATH, responses=WRITE_ERRORS, openapi_extra=_describe_lines())
    async def put_batch(request: Request, key: writer) -> BatchResult:  # type: ignore[valid-type]
        """Put many items, one JSON object a line with its `item_id`; the answer names the refused lines."""
        return await _put_lines(service, key, request)

    @router.put(
        "/items/{item_id:path}",
        responses=WRITE_ERRORS | {201: {"description": "The item is new", "model": WriteResult}},
    )
    async def put_item(item_id: ItemId, item: ItemBody, key: writer, response: Response) -> WriteResult:  # type: ignore[valid-type]
        """Put a new item, or replace one. The next search knows it, in every worker."""
        bundle = (await service.current()).bundle
        response.status_code = 200 if bundle.items.row_of(item_id) is not None else 201
        return WriteResult(sequence=await _put_items(service, key, [item.as_row(item_id)]))

    @router.delete(
        "/items/{item_id:path}",
        status_code=204,
        responses=WRITE_ERRORS | document_errors({404: "There is no such item"}),
    )
    async def remove_item(item_id: ItemId, key: writer) -> None:  # type: ignore[valid-type]
        """Remove an item. It is in no answer from now on."""
        bundle = (await service.current()).bundle
        if bundle.items.row_of(item_id) is None:
            raise HTTPException(404, f"There is no item {item_id[:80]!r}.")
        await service.write_entries(key.name, [LogEntry(REMOVED, item_id=item_id)])

    return router


async def _put_lines(service: Service, key: ApiKey, request: Request) -> BatchResult:
    """Put the items of a body of lines.

    Raises HTTPException 413 for too many lines or one that is too long; the lines before it are put.
    """
    result = BatchResult(accepted=0, refused=0, refusals=[])
    items: list[dict[str, Any]] = []
    async for number, line in _read_lines(request):
        if number > service.settings.maximum_batch_lines:
            raise HTTPException(
                413,
                f"Line {number}: a batch has at most {service.settings.maximum_batch_lines} lines. "
                "The lines before were put; send the rest in another batch.",
            )
        try:
            item = BatchItemBody.model_validate_json(line)
        except ValidationError as error:
            _refuse_line(result, number, error)
            continue
        items.append(item.as_row(item.item_id))
        # Texts are encoded together, and a batch of any length stays bounded in memory
        if len(items) == BATCH_SIZE:
            await _put_items(service, key, items)
            result.accepted, items = result.accepted + len(items), []
    await _put_items(service, key, items)
    result.accepted += len(items)
    return result


async def _put_items(service: Service, key: ApiKey, items: list[dict[str, Any]]) -> int:
    """Write items to the log and return the sequence of the last."""
    replica = service.replica
    if not items:
        return replica.applied
    # The vectors lie in the log, so each text is encoded once, by the worker that gets it
    vectors = await asyncio.to_thread(replica.updates.vectors_for, items)
    encoder = replica.bundle.encoder_identity
    entries = []
    for item, vector in zip(items, vectors, strict=True):
        entries.append(LogEntry(PUT, item_id=item["item_id"], body=item, encoder=encoder, vector=vector))
    return await service.write_entries(key.name, entries)


async def _read_lines(request: Request) -> AsyncIterator[tuple[int, bytes]]:
    """Yield the lines of a body while it arrives, numbered from 1, without the empty ones."""
    rest, n_before = b"", 0
    async for chunk in request.stream():
        *lines, rest = (rest + chunk).split(b"\n")
        # This endpoint has no BodyLimit: a line without end would fill the memory
        if len(rest) > MAX_LINE_BYTES:
            raise HTTPException(
                413,
                f"A line is longer than {MAX_LINE_BYTES} bytes. Shorten it; the lines before were put.",
            )
        for number, line in enumerate(lines, start=n_before + 1):
            if line.strip():
                yield number, line
        n_before += len(lines)
    if rest.strip():
        yield n_before + 1, rest


def _refuse_line(result: BatchResult, number: int, error: ValidationError) -> None:
    result.refused += 1
    if len(result.refusals) < MAX_REFUSALS:
        first = error.errors()[0]
        reason = f"{field_path(first['loc'], 'line')}: {first['msg']}"
        result.refusals.append(RefusedLine(line=number, reason=reason))


def _describe_lines() -> dict[str, Any]:
    """Return OpenAPI's description of a body of lines, which FastAPI cannot derive from a raw request."""
    example = '{"item_id": "f9001", "title": "Sun hat", "price": 12.95}\n'
    schema = {"type": "string", "description": "A JSON object a line", "examples": [example]}
    return {"requestBody": {"required": True, "content": {"application/x-ndjson": {"schema": schema}}}}
