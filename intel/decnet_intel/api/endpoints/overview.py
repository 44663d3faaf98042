"""Statistics and deckies."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from decnet_intel.api.access import FORBIDDEN, Current, Reader
from decnet_intel.api.etag import NOT_MODIFIED, with_etag
from decnet_intel.api.schemas import DeckiesAnswer, DeckyItem, StatsAnswer
from decnet_intel.service import overview

router = APIRouter(tags=["overview"])


@router.get("/stats", response_model=StatsAnswer, responses={**FORBIDDEN, **NOT_MODIFIED})
async def stats(_: Reader, state: Current, request: Request) -> Response:
    """Counts over everything that is kept."""
    async with state.sessions() as session:
        found = await overview.stats(session)
    return with_etag(request, StatsAnswer.of(found))


@router.get("/deckies", response_model=DeckiesAnswer, responses={**FORBIDDEN, **NOT_MODIFIED})
async def deckies(_: Reader, state: Current, request: Request) -> Response:
    """All deckies by namespace and name."""
    async with state.sessions() as session:
        found = await overview.deckies(session)
    return with_etag(request, DeckiesAnswer(items=[DeckyItem.of(activity) for activity in found]))
