"""Events as they come in, as server-sent events."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Header, HTTPException, Query
from fastapi.exceptions import RequestValidationError
from fastapi.responses import StreamingResponse
from prometheus_client import Gauge

from decnet_intel.api.access import FORBIDDEN, INVALID, Caller, Current, StreamReader, caller_of
from decnet_intel.api.schemas import LogItem
from decnet_intel.api.state import State
from decnet_intel.repository.events import Position
from decnet_intel.service import logs, stream

router = APIRouter(tags=["events"])

RETRY_MS = 2000
RECHECK_SECONDS = 15.0
"""How often a stream looks whether its token is still valid."""

_open_streams = Gauge("decnet_api_streams", "open event streams")

_DOCUMENTED: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "`event: event`, `data:` a LogItem, `id:` the position to resume from",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
}


@router.get("/stream", responses={**FORBIDDEN, **INVALID, **_DOCUMENTED}, response_class=StreamingResponse)
async def stream_events(
    caller: StreamReader,
    state: Current,
    last_event_id: Annotated[str | None, Header(description="id of the last event received")] = None,
    after: Annotated[str | None, Query(max_length=60, description="as Last-Event-ID, in the URL")] = None,
) -> StreamingResponse:
    """Every event from now on, or after Last-Event-ID. A comment comes every 15 s when nothing happens.

    The same object as in a page of logs. An event may be in both: its id tells.
    """
    resume = last_event_id or after
    try:
        start = logs.parse_position(resume) if resume else await stream.tip(state.sessions)
    except logs.BadCursorError as error:
        raise RequestValidationError(
            [{"loc": ("header", "last-event-id"), "msg": str(error), "type": "bad_cursor"}]
        ) from error
    if state.streams >= state.settings.stream_clients:
        raise HTTPException(503, "too many open streams; try again later", {"Retry-After": "30"})
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(_lines(state, caller, start), media_type="text/event-stream", headers=headers)


async def _lines(state: State, caller: Caller, start: Position) -> AsyncIterator[str]:
    state.streams += 1
    _open_streams.inc()
    follow = stream.follow(
        state.sessions,
        state.wake,
        start,
        poll_seconds=state.settings.stream_poll_seconds,
        keepalive_seconds=state.settings.stream_keepalive_seconds,
    )
    checked = time.monotonic()
    try:
        yield f"retry: {RETRY_MS}\nid: {logs.format_position(start)}\n\n"
        async for item in follow:
            if time.monotonic() - checked > RECHECK_SECONDS:
                if not await _still_valid(state, caller):
                    return
                checked = time.monotonic()
            if item is None:
                yield ": still here\n\n"
                continue
            position, event = item
            data = LogItem.of(event).model_dump_json()
            yield f"id: {logs.format_position(position)}\nevent: event\ndata: {data}\n\n"
    finally:
        state.streams -= 1
        _open_streams.dec()
        with contextlib.suppress(RuntimeError):
            await follow.aclose()  # type: ignore[attr-defined]


async def _still_valid(state: State, caller: Caller) -> bool:
    """Whether the token would still be taken; yes while the database cannot tell."""
    if datetime.now(UTC) >= caller.expires:
        return False
    try:
        return not (await caller_of(state, caller.token)).must_change_password
    except HTTPException:
        return False
