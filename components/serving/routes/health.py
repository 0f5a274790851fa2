"""The endpoints of monitoring: liveness, readiness and metrics."""

from typing import Any

from fastapi import APIRouter, Depends, Response

from components.serving import metrics
from components.serving.auth import Authorizer
from components.serving.problems import READ_ERRORS
from components.serving.service import Service


def health_router(service: Service) -> APIRouter:
    """Return the router of liveness and readiness."""
    router = APIRouter()  # without a key, as load balancers have none

    @router.get("/healthz")
    async def check_liveness() -> dict[str, str]:
        """Tell whether the process answers."""
        return {"status": "ok"}

    @router.get("/readyz")
    async def check_readiness() -> dict[str, Any]:
        """Tell what is served: version in the registry, hash of the bundle, last applied change, and errors.

        `degraded` means that answers are given but an operator must act: the change log or the registry does not
        answer, or the champion cannot be loaded and the version before it is served.
        """
        bundle = (await service.current()).bundle  # asks the log, so that its error is reported here
        errors = []
        if not service.is_following:
            errors.append("The change log does not answer.")
        if service.registry_error:
            errors.append(f"The registry does not answer: {service.registry_error}")
        if service.refused:
            errors.append(f"Version {service.refused.version} cannot be served: {service.refused.reason}")
        return {
            "status": "degraded" if errors else "ready",
            "version": service.replica.version,
            "bundle_sha256": bundle.identity,
            "shop": bundle.manifest["shop"].get("name"),
            "items": len(bundle.items),
            "changes": service.replica.applied,
            "faults": errors,
        }

    return router


def metrics_router(authorizer: Authorizer) -> APIRouter:
    """Return the router of Prometheus metrics."""
    # With a key, unlike health: how often which category is blocked is the operator's business
    router = APIRouter(dependencies=[Depends(authorizer.require_scope("read"))])

    @router.get("/metrics", responses=READ_ERRORS, response_class=Response)
    async def show_metrics() -> Response:
        """Show the service's metrics in Prometheus' text format."""
        return Response(metrics.render_metrics(), media_type="text/plain; version=0.0.4; charset=utf-8")

    return router
