"""The endpoints of recommendations: for a user, for an item and for a session."""

from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Path
from fastapi import Query as Param

from components.bundle.query import Answer, Query
from components.serving.auth import Authorizer
from components.serving.problems import READ_ERRORS, WRITE_ERRORS, document_errors
from components.serving.query_params import Cursor
from components.serving.replica import Replica
from components.serving.schemas import SessionBody
from components.serving.service import Service

UNKNOWN_ITEM = document_errors({404: "There is no such item"})


def recommend_router(service: Service, authorizer: Authorizer) -> APIRouter:
    """Return the router of recommendations."""
    router = APIRouter(dependencies=[Depends(authorizer.require_scope("read"))])
    count = Annotated[int, Param(description="Most items", ge=1, le=service.settings.maximum_items)]
    # `:path` in the addresses below: ids of users and items may hold slashes

    @router.get("/recommend/users/{user_id:path}", responses=READ_ERRORS)
    async def recommend_for_user(
        user_id: Annotated[str, Path(description="The user", max_length=200)],
        k: count = 12,  # type: ignore[valid-type]
        cursor: Cursor = None,
    ) -> Answer:
        """Recommend items by a user's history; popular items for a user without one."""
        return await service.answer_query(Query("", user_id, k=k, cursor=cursor or None))

    @router.get("/recommend/items/{item_id:path}", responses=UNKNOWN_ITEM | READ_ERRORS)
    async def recommend_for_item(
        item_id: Annotated[str, Path(description="The item", max_length=200)],
        k: count = 12,  # type: ignore[valid-type]
    ) -> Answer:
        """Recommend items like an item, by its text and by its users."""
        return recommend_similar(await service.current(), item_id, k)

    # A POST that reads: a session is too long for an address, and its errors are those of a body
    @router.post("/recommend/session", responses=WRITE_ERRORS)
    async def recommend_for_session(session: SessionBody) -> Answer:
        """Recommend items by the items of a session, of which the latest count most. Nothing of it is kept."""
        return (await service.current()).searcher.recommend_for_session(session.item_ids, session.k)

    return router


def recommend_similar(replica: Replica, item_id: str, k: int) -> Answer:
    """Recommend items like an item.

    Raises HTTPException 404 where there is no such item.
    """
    try:
        return replica.searcher.recommend_similar_items(item_id, k)
    except KeyError:
        raise HTTPException(404, f"There is no item {item_id[:80]!r}.") from None
