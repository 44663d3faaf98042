"""Events in pages."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.exceptions import RequestValidationError
from pydantic import IPvAnyAddress

from decnet_intel.api.access import FORBIDDEN, INVALID, Current, Reader
from decnet_intel.api.schemas import LogItem, LogPage, PlainText
from decnet_intel.repository.events import EventFilter
from decnet_intel.service import logs

router = APIRouter(tags=["events"])

_Name = Annotated[PlainText | None, Query(max_length=255)]


@router.get("/logs", responses={**FORBIDDEN, **INVALID}, name="logs")
async def list_logs(
    _: Reader,
    state: Current,
    search: Annotated[
        PlainText | None,
        Query(max_length=1000, description="text anywhere in the event, in any case; no wildcards"),
    ] = None,
    limit: Annotated[int, Query(ge=1, le=1000, description="most items in the answer")] = 50,
    cursor: Annotated[str | None, Query(max_length=100, description="next_cursor of the page before")] = None,
    decky: _Name = None,
    service: _Name = None,
    event_id: _Name = None,
    node: _Name = None,
    src_ip: Annotated[IPvAnyAddress | None, Query(description="source address")] = None,
) -> LogPage:
    """Events, newest day and highest id first. Pages do not shift when events come in meanwhile."""
    wanted = EventFilter(
        search=search,
        decky=decky,
        service=service,
        event_id=event_id,
        node=node,
        src_ip=str(src_ip) if src_ip is not None else None,
    )
    try:
        async with state.sessions() as session:
            page = await logs.page(session, wanted, limit, cursor)
    except logs.BadCursorError as error:
        raise RequestValidationError(
            [{"loc": ("query", "cursor"), "msg": str(error), "type": "bad_cursor"}]
        ) from error
    return LogPage(items=[LogItem.of(event) for event in page.items], next_cursor=page.next_cursor)
