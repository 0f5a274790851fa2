"""What is known of a person, and its erasure."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path
from pydantic import BaseModel

from components.serving.change_log import FORGOTTEN, Entry
from components.serving.door import Door
from components.serving.faults import WRITES
from components.serving.incoming import Identity
from components.serving.keys import Key
from components.serving.service import Service

UserId = Annotated[Identity, Path(description="The person")]


class Liking(BaseModel):
    """An item that a person liked, and how much it counts."""

    item_id: str
    title: str
    weight: float


class Person(BaseModel):
    """All that is known of a person: what answers are fitted to, and what was told since the bundle was made."""

    user_id: str
    likings: list[Liking]
    told: list[dict[str, Any]]


def people(service: Service, door: Door) -> APIRouter:
    """Export and erasure."""
    router = APIRouter()
    admin = Annotated[Key, Depends(door.requires("admin"))]

    @router.get("/users/{user_id:path}", responses=WRITES)
    async def export(user_id: UserId, key: admin) -> Person:  # type: ignore[valid-type]
        """Export what is known of a person; empty for who is not known."""
        bundle = await service.current()
        rows, weights = bundle.histories.of_user(user_id)
        likings = [
            Liking(item_id=bundle.shelf.id_of(row), title=title, weight=weight)
            for row, title, weight in zip(
                rows.tolist(), bundle.shelf.titles(rows), weights.tolist(), strict=True
            )
        ]
        told = [entry.body or {} for entry in service.log.of_user(user_id) if entry.kind != FORGOTTEN]
        return Person(user_id=user_id, likings=likings, told=told)

    @router.delete("/users/{user_id:path}", status_code=204, responses=WRITES)
    async def erase(user_id: UserId, key: admin) -> None:  # type: ignore[valid-type]
        """Erase a person: answers know them no more, what they told is deleted, and no night learns from them again.

        Only that they were erased stays, so that older data cannot bring them back.
        """
        await service.write(key.name, [Entry(FORGOTTEN, user_id=user_id)])

    return router
