"""What is known of a person, and its erasure."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path
from pydantic import BaseModel

from components.serving.auth import Authorizer
from components.serving.errors import WRITES
from components.serving.schemas import Identity
from components.serving.service import Service
from components.serving.storage.api_keys import ApiKey
from components.serving.storage.change_log import FORGOTTEN, LogEntry

UserId = Annotated[Identity, Path(description="The person")]


class LikedItem(BaseModel):
    """An item that a person liked, and how much it counts."""

    item_id: str
    title: str
    weight: float


class UserProfile(BaseModel):
    """All that is known of a person: what answers are fitted to, and what was told since the bundle was made."""

    user_id: str
    likings: list[LikedItem]
    told: list[dict[str, Any]]


def people(service: Service, door: Authorizer) -> APIRouter:
    """Export and erasure."""
    router = APIRouter()
    admin = Annotated[ApiKey, Depends(door.requires("admin"))]

    @router.get("/users/{user_id:path}", responses=WRITES)
    async def export(user_id: UserId, key: admin) -> UserProfile:  # type: ignore[valid-type]
        """Export what is known of a person; empty for who is not known."""
        bundle = (await service.current()).bundle
        rows, weights = bundle.histories.of_user(user_id)
        likings = [
            LikedItem(item_id=bundle.items.id_of(row), title=title, weight=weight)
            for row, title, weight in zip(
                rows.tolist(), bundle.items.titles(rows), weights.tolist(), strict=True
            )
        ]
        told = [entry.body or {} for entry in service.log.of_user(user_id) if entry.kind != FORGOTTEN]
        return UserProfile(user_id=user_id, likings=likings, told=told)

    @router.delete("/users/{user_id:path}", status_code=204, responses=WRITES)
    async def erase(user_id: UserId, key: admin) -> None:  # type: ignore[valid-type]
        """Erase a person: answers know them no more, what they told is deleted, and no night learns from them again.

        Only that they were erased stays, so that older data cannot bring them back.
        """
        await service.write(key.name, [LogEntry(FORGOTTEN, user_id=user_id)])

    return router
