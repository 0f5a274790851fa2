"""The endpoints for programs."""

from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException
from fastapi import Query as Param

from components.bundle.answers import Answer, Query, recommend_for_user, recommend_like_item, search
from components.bundle.load import Bundle
from components.serving.asking import question
from components.serving.faults import DOCUMENTED, MEDIA_TYPE
from components.serving.settings import ServingSettings

UNKNOWN_ITEM: dict[int | str, dict[str, Any]] = {
    404: {"description": "There is no such item", "content": {MEDIA_TYPE: {}}}
}


def add_answers(app: FastAPI, bundle: Bundle, settings: ServingSettings, version: str | None) -> None:
    """Search, recommendations, and whether the service is ready."""
    asked = Depends(question(settings))
    count = Annotated[int, Param(description="Most items", ge=1, le=settings.maximum_items)]

    @app.get("/search", responses=DOCUMENTED)
    def find(query: Query = asked) -> Answer:
        """Rank items for a query, within a price range and fitted to a person."""
        return search(bundle, query)

    @app.get("/recommend/users/{user_id:path}", responses=DOCUMENTED)
    def for_user(user_id: str, k: count = 12) -> Answer:  # type: ignore[valid-type]
        """What a person's history leads to; what is popular for a person who is not known."""
        return recommend_for_user(bundle, user_id, k)

    @app.get("/recommend/items/{item_id:path}", responses=UNKNOWN_ITEM | DOCUMENTED)
    def like_item(item_id: str, k: count = 12) -> Answer:  # type: ignore[valid-type]
        """Items like an item, by text and taste."""
        return like(bundle, item_id, k)

    @app.get("/healthz")
    def healthz() -> dict[str, str]:
        """Whether the process answers."""
        return {"status": "ok"}

    @app.get("/readyz")
    def readyz() -> dict[str, Any]:
        """Which model is loaded: its version in the registry, and the hash that its bundle is known by."""
        return {
            "status": "ready",
            "version": version,
            "bundle_sha256": bundle.identity,
            "shop": bundle.manifest["shop"].get("name"),
            "items": len(bundle.shelf),
        }


def like(bundle: Bundle, item_id: str, k: int) -> Answer:
    """Items like an item, or 404 that says which there is not."""
    if item_id not in bundle.factors.rows:
        raise HTTPException(404, f"There is no item {item_id[:80]!r}.")
    return recommend_like_item(bundle, item_id, k)
