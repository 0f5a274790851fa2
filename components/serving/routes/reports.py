"""Objections to a block: a query that was turned away and should not have been."""

import asyncio
from typing import Annotated
from urllib.parse import parse_qs

from fastapi import APIRouter, Depends, HTTPException, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import AfterValidator, BaseModel, Field

from components.serving.auth import Authorizer
from components.serving.errors import READS, faults
from components.serving.schemas import StrictModel, without_control
from components.serving.service import Service
from components.serving.storage.blocked_queries import keep_report

ANSWERED = faults({409: "This query is answered"})
THANKS = "/?reported=1"


class ReportBody(StrictModel):
    """A query that was not answered, and what the person says of it."""

    query: Annotated[str, Field(min_length=1, max_length=1000), AfterValidator(without_control)] = Field(
        examples=["cheap clothes for the schoolboys of my brother"]
    )
    comment: Annotated[str, Field(max_length=500), AfterValidator(without_control)] = ""


class ReportResult(BaseModel):
    """That an objection was kept, for staff and for the next calibration."""

    kept: bool = True


def reports(service: Service, door: Authorizer) -> APIRouter:
    """What people object to, from programs and from the page."""
    router = APIRouter(dependencies=[Depends(door.requires("read", rate="report"))])

    @router.post("/reports/blocked", status_code=201, responses=READS | ANSWERED)
    async def report(objection: ReportBody) -> ReportResult:
        """Object to a block. Staff see the query; it is learnt as harmless once they agree."""
        await _keep(service, objection)
        return ReportResult()

    @router.post("/report", include_in_schema=False)
    async def report_from_page(request: Request) -> Response:
        form = parse_qs((await request.body()).decode("utf-8", "replace"))
        given = {name: form.get(name, [""])[0] for name in ("query", "comment")}
        try:
            objection = ReportBody(**given)
        except ValueError:
            raise HTTPException(422, "query: write 1 to 1000 characters.") from None
        await _keep(service, objection)
        return RedirectResponse(THANKS, 303)

    return router


async def _keep(service: Service, objection: ReportBody) -> None:
    bundle = (await service.current()).bundle
    verdict = await asyncio.to_thread(bundle.ethics.verdict_on, objection.query, bundle.encoder)
    if not verdict.blocked:
        raise HTTPException(409, "This query is answered; there is nothing to report. Search for it.")
    await asyncio.to_thread(
        keep_report,
        service.log.engine,
        query=objection.query,
        comment=objection.comment,
        category=str(verdict.category),
        score=verdict.score,
    )
