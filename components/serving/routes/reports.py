"""The endpoints that take reports of queries which were blocked by mistake."""

import asyncio
from typing import Annotated
from urllib.parse import parse_qs

from fastapi import APIRouter, Depends, HTTPException, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import AfterValidator, BaseModel, Field

from components.serving.auth import Authorizer
from components.serving.problems import READ_ERRORS, document_errors
from components.serving.schemas import StrictModel, strip_control
from components.serving.service import Service
from components.serving.storage.blocked_queries import keep_report

ANSWERED = document_errors({409: "This query is answered"})
THANKS_PATH = "/?reported=1"


class ReportBody(StrictModel):
    """A query that was blocked, and the user's comment."""

    query: Annotated[str, Field(min_length=1, max_length=1000), AfterValidator(strip_control)] = Field(
        examples=["cheap clothes for the schoolboys of my brother"]
    )
    comment: Annotated[str, Field(max_length=500), AfterValidator(strip_control)] = ""


class ReportResult(BaseModel):
    """The report was kept for staff, and for the next calibration once they agree."""

    kept: bool = True


def reports_router(service: Service, authorizer: Authorizer) -> APIRouter:
    """Return the router of reports, from programs and from the page."""
    # A limit of its own: each report costs a person's time to read
    router = APIRouter(dependencies=[Depends(authorizer.require_scope("read", rate="report"))])

    @router.post("/reports/blocked", status_code=201, responses=READ_ERRORS | ANSWERED)
    async def report_block(report: ReportBody) -> ReportResult:
        """Report a query that was blocked by mistake. Staff see it; it is learnt as harmless once they agree."""
        await _keep_blocked(service, report)
        return ReportResult()

    @router.post("/report", include_in_schema=False)
    async def report_from_page(request: Request) -> Response:
        # Parsed by hand: FastAPI's Form needs the package python-multipart for these two fields
        form = parse_qs((await request.body()).decode("utf-8", "replace"))
        try:
            report = ReportBody(query=form.get("query", [""])[0], comment=form.get("comment", [""])[0])
        except ValueError:
            raise HTTPException(422, "query: write 1 to 1000 characters.") from None
        await _keep_blocked(service, report)
        # 303, so that reloading the page does not send the report again
        return RedirectResponse(THANKS_PATH, 303)

    return router


async def _keep_blocked(service: Service, report: ReportBody) -> None:
    """Keep a report; raise HTTPException 409 where its query is not blocked.

    The query is judged again, because only the text is sent: nobody can report what the filter never blocked.
    """
    bundle = (await service.current()).bundle
    verdict = await asyncio.to_thread(bundle.ethics.judge_text, report.query, bundle.encoder)
    if not verdict.blocked:
        raise HTTPException(409, "This query is answered; there is nothing to report. Search for it.")
    await asyncio.to_thread(
        keep_report,
        service.log.engine,
        query=report.query,
        comment=report.comment,
        category=str(verdict.category),
        score=verdict.score,
    )
