"""The endpoints that change what is answered: acknowledged on the disk, and in the next answer of every worker."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Path, Request, Response
from pydantic import BaseModel, Field, ValidationError

from components.serving.auth import Authorizer
from components.serving.errors import WRITES, faults
from components.serving.schemas import BatchItemBody, Identity, InteractionBody, ItemBody
from components.serving.service import Service
from components.serving.storage.api_keys import ApiKey
from components.serving.storage.change_log import LIKED, PUT, REMOVED, LogEntry

BATCH = "/items/batch"
LINE_BYTES = 100_000
AT_ONCE = 256
MOST_REFUSED = 100
ItemId = Annotated[Identity, Path(description="The item")]


class WriteResult(BaseModel):
    """That a change is on the disk: its place in the order of all changes."""

    sequence: int


class RefusedLine(BaseModel):
    """A line of a batch that was not taken."""

    line: int
    reason: str


class BatchResult(BaseModel):
    """What became of a batch: lines taken, lines refused, and why of the first hundred of these."""

    accepted: int
    refused: int
    refusals: list[RefusedLine]


class InteractionList(BaseModel):
    """What people did; all of it is taken or none."""

    interactions: Annotated[list[InteractionBody], Field(min_length=1, max_length=1000)]


def writes(service: Service, door: Authorizer) -> APIRouter:
    """Items put and removed, and what people did."""
    router = APIRouter()
    writer = Annotated[ApiKey, Depends(door.requires("write"))]

    @router.post(BATCH, responses=WRITES, openapi_extra=_lines())
    async def put_many(request: Request, key: writer) -> BatchResult:  # type: ignore[valid-type]
        """Put many items, one JSON object a line with its `item_id`; lines that cannot be taken are told."""
        batch, waiting = BatchResult(accepted=0, refused=0, refusals=[]), []
        async for number, line in _read_lines(request):
            if number > service.settings.maximum_batch_lines:
                raise HTTPException(
                    413, f"Line {number}: more lines than a batch may have. The lines before were taken."
                )
            try:
                item = BatchItemBody.model_validate_json(line)
            except ValidationError as fault:
                _refuse(batch, number, fault)
                continue
            waiting.append(item.as_row(item.item_id))
            if len(waiting) == AT_ONCE:
                await _put(service, key, waiting)
                batch.accepted, waiting = batch.accepted + len(waiting), []
        await _put(service, key, waiting)
        batch.accepted += len(waiting)
        return batch

    @router.put(
        "/items/{item_id:path}",
        responses=WRITES | {201: {"description": "The item is new", "model": WriteResult}},
    )
    async def put(item_id: ItemId, item: ItemBody, key: writer, response: Response) -> WriteResult:  # type: ignore[valid-type]
        """Put an item: a new one, or another in its place. The next search knows it, in every worker."""
        bundle = (await service.current()).bundle
        response.status_code = 200 if bundle.items.row_of(item_id) is not None else 201
        return WriteResult(sequence=await _put(service, key, [item.as_row(item_id)]))

    @router.delete(
        "/items/{item_id:path}", status_code=204, responses=WRITES | faults({404: "There is no such item"})
    )
    async def remove(item_id: ItemId, key: writer) -> None:  # type: ignore[valid-type]
        """Remove an item. It is in no answer from now on."""
        bundle = (await service.current()).bundle
        if bundle.items.row_of(item_id) is None:
            raise HTTPException(404, f"There is no item {item_id[:80]!r}.")
        await service.write(key.name, [LogEntry(REMOVED, item_id=item_id)])

    @router.post("/interactions", status_code=201, responses=WRITES)
    async def interact(told: InteractionList, key: writer) -> WriteResult:  # type: ignore[valid-type]
        """Tell what people did. Their next answers are fitted to it."""
        bundle = (await service.current()).bundle
        minimum = bundle.minimum_rating
        for place, one in enumerate(told.interactions):
            if bundle.items.row_of(one.item_id) is None:
                raise HTTPException(
                    422, f"interactions.{place}.item_id: there is no item {one.item_id[:80]!r}. Put it first."
                )
        entries = [
            LogEntry(LIKED, one.item_id, one.user_id, one.as_body() | {"liking": one.liking(minimum)})
            for one in told.interactions
        ]
        return WriteResult(sequence=await service.write(key.name, entries))

    return router


async def _put(service: Service, key: ApiKey, items: list[dict[str, Any]]) -> int:
    """Write items with the vectors of their texts, which no other worker has to encode again."""
    if not items:
        return service.replica.applied
    replica = service.replica
    encoder = replica.bundle.encoder_identity
    vectors = await asyncio.to_thread(replica.updates.vectors_for, items)
    entries = [
        LogEntry(PUT, item_id=item["item_id"], body=item, encoder=encoder, vector=vector)
        for item, vector in zip(items, vectors, strict=True)
    ]
    return await service.write(key.name, entries)


async def _read_lines(request: Request) -> AsyncIterator[tuple[int, bytes]]:
    """The lines of a body as it comes, numbered from 1, empty ones left out; no more than a chunk is kept."""
    rest, before = b"", 0
    async for chunk in request.stream():
        *whole, rest = (rest + chunk).split(b"\n")
        if len(rest) > LINE_BYTES:
            raise HTTPException(
                413, f"A line is longer than {LINE_BYTES} bytes. The lines before were taken."
            )
        for place, line in enumerate(whole):
            if line.strip():
                yield before + place + 1, line
        before += len(whole)
    if rest.strip():
        yield before + 1, rest


def _refuse(batch: BatchResult, number: int, fault: ValidationError) -> None:
    batch.refused += 1
    if len(batch.refusals) < MOST_REFUSED:
        error = fault.errors()[0]
        place = ".".join(str(part)[:80] for part in error["loc"]) or "line"
        batch.refusals.append(RefusedLine(line=number, reason=f"{place}: {error['msg']}"))


def _lines() -> dict[str, Any]:
    """How OpenAPI tells of a body of lines."""
    example = '{"item_id": "f9001", "title": "Sun hat", "price": 12.95}\n'
    schema = {"type": "string", "description": "A JSON object a line", "examples": [example]}
    return {"requestBody": {"required": True, "content": {"application/x-ndjson": {"schema": schema}}}}
