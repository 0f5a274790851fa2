"""The endpoint that takes interactions of users with items."""

from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException
from pydantic import BaseModel, Field

from components.serving.auth import Authorizer
from components.serving.problems import WRITE_ERRORS
from components.serving.routes.items import WriteResult
from components.serving.schemas import InteractionBody
from components.serving.service import Service
from components.serving.storage.api_keys import ApiKey
from components.serving.storage.change_log import LIKED, LogEntry


class InteractionList(BaseModel):
    """What users did; all of it is taken or none."""

    interactions: Annotated[list[InteractionBody], Field(min_length=1, max_length=1000)]


def interactions_router(service: Service, authorizer: Authorizer) -> APIRouter:
    """Return the router of interactions."""
    router = APIRouter()
    writer = Annotated[ApiKey, Depends(authorizer.require_scope("write"))]

    @router.post("/interactions", status_code=201, responses=WRITE_ERRORS)
    async def add_interactions(body: InteractionList, key: writer) -> WriteResult:  # type: ignore[valid-type]
        """Add interactions. The next answers of their users are personalized by them."""
        bundle = (await service.current()).bundle
        entries = []
        for position, interaction in enumerate(body.interactions):
            item_id = interaction.item_id
            if bundle.items.row_of(item_id) is None:
                raise HTTPException(
                    422, f"interactions.{position}.item_id: there is no item {item_id[:80]!r}. Put it first."
                )
            # Weighed here, by the rule of the bundle that is served, so that a replay needs no rule
            weight = interaction.preference_weight(bundle.minimum_rating)
            content = interaction.as_body() | {"liking": weight}
            entries.append(LogEntry(LIKED, item_id=item_id, user_id=interaction.user_id, body=content))
        return WriteResult(sequence=await service.write_entries(key.name, entries))

    return router
