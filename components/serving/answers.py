"""The endpoints that answer programs."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Path
from fastapi import Query as Param

from components.bundle.answers import (
    Answer,
    recommend_for_session,
    recommend_like_item,
)
from components.bundle.load import Bundle
from components.bundle.question import Query
from components.serving.asking import question
from components.serving.door import Door
from components.serving.faults import READS, WRITES, faults
from components.serving.incoming import Session
from components.serving.service import Service

UNKNOWN_ITEM = faults({404: "There is no such item"})


def answers(service: Service, door: Door) -> APIRouter:
    """Search and recommendations."""
    router = APIRouter(dependencies=[Depends(door.requires("read"))])
    asked = Depends(question(service.settings))
    count = Annotated[int, Param(description="Most items", ge=1, le=service.settings.maximum_items)]
    person = Annotated[str, Path(description="Whose history it is", max_length=200)]

    @router.get("/search", responses=READS)
    async def find(query: Query = asked) -> Answer:
        """Rank items for a query, within a price range and filters, fitted to a person."""
        return await service.answer(query)

    @router.get("/recommend/users/{user_id:path}", responses=READS)
    async def for_user(
        user_id: person,  # type: ignore[valid-type]
        k: count = 12,  # type: ignore[valid-type]
        cursor: Annotated[str | None, Param(description="`next` of the page before", max_length=1000)] = None,
    ) -> Answer:
        """What a person's history leads to; what is popular for a person who is not known."""
        return await service.answer(Query("", user_id, k=k, cursor=cursor or None))

    @router.get("/recommend/items/{item_id:path}", responses=UNKNOWN_ITEM | READS)
    async def like_item(
        item_id: Annotated[str, Path(description="The item", max_length=200)],
        k: count = 12,  # type: ignore[valid-type]
    ) -> Answer:
        """Items like an item, by text and taste."""
        return like(await service.current(), item_id, k)

    @router.post("/recommend/session", responses=WRITES)
    async def for_session(session: Session) -> Answer:
        """What a session's items lead to, the latest counting most; nothing of it is kept."""
        return recommend_for_session(await service.current(), session.item_ids, session.k)

    return router


def health(service: Service) -> APIRouter:
    """Whether the process answers, and by which model."""
    router = APIRouter()

    @router.get("/healthz")
    async def healthz() -> dict[str, str]:
        """Whether the process answers."""
        return {"status": "ok"}

    @router.get("/readyz")
    async def readyz() -> dict[str, Any]:
        """What is served: the version in the registry, the bundle's hash, the last change taken, and what went wrong.

        `degraded` says that answers are given but something needs a person: the change log or the registry does not
        answer, or the champion cannot be loaded and the version before it is served.
        """
        bundle = await service.current()
        faulty = [
            None if service.follows else "The change log does not answer.",
            f"The registry does not answer: {service.registry_fault}" if service.registry_fault else None,
            f"Version {service.refused.version} cannot be served: {service.refused.reason}"
            if service.refused
            else None,
        ]
        told = [fault for fault in faulty if fault]
        return {
            "status": "degraded" if told else "ready",
            "version": service.model.version,
            "bundle_sha256": bundle.identity,
            "shop": bundle.manifest["shop"].get("name"),
            "items": len(bundle.shelf),
            "changes": service.model.applied,
            "faults": told,
        }

    return router


def like(bundle: Bundle, item_id: str, k: int) -> Answer:
    """Items like an item, or 404 that says which there is not."""
    try:
        return recommend_like_item(bundle, item_id, k)
    except KeyError:
        raise HTTPException(404, f"There is no item {item_id[:80]!r}.") from None
