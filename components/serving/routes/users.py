"""The endpoints that export and erase what is known of a user."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path
from pydantic import BaseModel

from components.serving.auth import Authorizer
from components.serving.problems import WRITE_ERRORS
from components.serving.schemas import Identity
from components.serving.service import Service
from components.serving.storage.api_keys import ApiKey
from components.serving.storage.change_log import FORGOTTEN, LogEntry

UserId = Annotated[Identity, Path(description="The user")]


class LikedItem(BaseModel):
    """An item that a user liked, and how much it counts."""

    item_id: str
    title: str
    weight: float


class UserProfile(BaseModel):
    """All that is known of a user: the history that answers are personalized by, and the interactions in the log."""

    user_id: str
    likings: list[LikedItem]
    told: list[dict[str, Any]]


def users_router(service: Service, authorizer: Authorizer) -> APIRouter:
    """Return the router of export and erasure."""
    router = APIRouter()
    admin = Annotated[ApiKey, Depends(authorizer.require_scope("admin"))]

    @router.get("/users/{user_id:path}", responses=WRITE_ERRORS)
    async def export_user(user_id: UserId, key: admin) -> UserProfile:  # type: ignore[valid-type]
        """Export what is known of a user; empty for an unknown one."""
        bundle = (await service.current()).bundle
        rows, weights = bundle.histories.of_user(user_id)
        likings = []
        for row, title, weight in zip(
            rows.tolist(), bundle.items.titles(rows), weights.tolist(), strict=True
        ):
            likings.append(LikedItem(item_id=bundle.items.id_of(row), title=title, weight=weight))
        # The mark of an erasure is no content of the user's own
        entries = [entry for entry in service.log.read_user(user_id) if entry.kind != FORGOTTEN]
        return UserProfile(user_id=user_id, likings=likings, told=[entry.body or {} for entry in entries])

    @router.delete("/users/{user_id:path}", status_code=204, responses=WRITE_ERRORS)
    async def erase_user(user_id: UserId, key: admin) -> None:  # type: ignore[valid-type]
        """Erase a user: answers forget the user, the interactions in the log are deleted, and no run learns from them.

        Only the fact of the erasure stays, so that older data cannot bring the user back.
        """
        await service.write_entries(key.name, [LogEntry(FORGOTTEN, user_id=user_id)])

    return router
