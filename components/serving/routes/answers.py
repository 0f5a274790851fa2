"""The endpoints that answer programs."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Path
from fastapi import Query as Param

from components.bundle.query import Answer, Query
from components.serving.auth import Authorizer
from components.serving.errors import READS, WRITES, faults
from components.serving.query_params import question
from components.serving.replica import Replica
from components.serving.schemas import SessionBody
from components.serving.service import Service

UNKNOWN_ITEM = faults({404: "There is no such item"})


def answers(service: Service, door: Authorizer) -> APIRouter:
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
        return recommend_similar(await service.current(), item_id, k)

    @router.post("/recommend/session", responses=WRITES)
    async def for_session(session: SessionBody) -> Answer:
        """What a session's items lead to, the latest counting most; nothing of it is kept."""
        return (await service.current()).searcher.recommend_for_session(session.item_ids, session.k)

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
        bundle = (await service.current()).bundle
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
            "version": service.replica.version,
            "bundle_sha256": bundle.identity,
            "shop": bundle.manifest["shop"].get("name"),
            "items": len(bundle.items),
            "changes": service.replica.applied,
            "faults": told,
        }

    return router


def recommend_similar(replica: Replica, item_id: str, k: int) -> Answer:
    """Recommend items like an item; answer 404 where there is none of that id."""
    try:
        return replica.searcher.recommend_similar_items(item_id, k)
    except KeyError:
        raise HTTPException(404, f"There is no item {item_id[:80]!r}.") from None
