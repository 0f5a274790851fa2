"""The search endpoint."""

from fastapi import APIRouter, Depends

from components.bundle.query import Answer, Query
from components.serving.auth import Authorizer
from components.serving.problems import READ_ERRORS
from components.serving.query_params import query_dependency
from components.serving.service import Service


def search_router(service: Service, authorizer: Authorizer) -> APIRouter:
    """Return the router of searches."""
    router = APIRouter(dependencies=[Depends(authorizer.require_scope("read"))])
    url_query = Depends(query_dependency(service.settings))

    @router.get("/search", responses=READ_ERRORS)
    async def search_items(query: Query = url_query) -> Answer:
        """Rank items for a query, within a price range and filters, personalized for a user."""
        return await service.answer_query(query)

    return router
