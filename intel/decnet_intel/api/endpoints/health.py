"""Whether the whole is well: for people, for Kubernetes and for Prometheus."""

from __future__ import annotations

import asyncio
import logging

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy.exc import SQLAlchemyError

from decnet_intel.api.access import Current, caller_or_none
from decnet_intel.api.schemas import ComponentHealth, HealthAnswer
from decnet_intel.api.state import State
from decnet_intel.migrate import head_revision
from decnet_intel.service import overview

router = APIRouter(tags=["health"])

LONGEST_SECONDS = 5.0

log = logging.getLogger(__name__)


async def _components(state: State) -> dict[str, tuple[bool, str]] | None:
    """The state of each component, or None when the database does not answer."""
    try:
        async with asyncio.timeout(LONGEST_SECONDS), state.sessions() as session:
            return await overview.components(session, head_revision())
    except (SQLAlchemyError, OSError) as error:  # TimeoutError is an OSError
        log.warning("health: the database does not answer: %s", error)
        return None


@router.get("/health", responses={503: {"model": HealthAnswer, "description": "the database is away"}})
async def health(request: Request, state: Current) -> HealthAnswer:
    """`ok`, or `degraded` when a component is not well. With a token, which one and why."""
    components = await _components(state)
    if components is None:
        answer = HealthAnswer(status="degraded", components=None)
        return JSONResponse(answer.model_dump(), 503, {"Retry-After": "5"})  # type: ignore[return-value]
    well = all(ok for ok, _ in components.values())
    known = await caller_or_none(request)
    shown = {name: ComponentHealth(ok=ok, message=text) for name, (ok, text) in components.items()}
    return HealthAnswer(status="ok" if well else "degraded", components=shown if known else None)


@router.get("/healthz", include_in_schema=False)
async def healthz() -> Response:
    """The process serves requests."""
    return Response("ok\n", media_type="text/plain")


@router.get("/readyz", include_in_schema=False)
async def readyz(state: Current) -> Response:
    """The database answers and has the schema of this release."""
    components = await _components(state)
    if components is None:
        return Response("the database does not answer\n", 503, media_type="text/plain")
    ok, text = components["schema"]
    return Response("ok\n" if ok else f"{text}\n", 200 if ok else 503, media_type="text/plain")


@router.get("/metrics", include_in_schema=False)
async def metrics() -> Response:
    """Prometheus's text format."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
