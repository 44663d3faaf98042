"""The live stream: every event after a position, in an order that cannot skip a late commit."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from decnet_intel.models import Event
from decnet_intel.notify import Wake
from decnet_intel.repository import events
from decnet_intel.repository.events import Position

PAGE = 200
"""Events that a stream holds at most; the next are read when the client has taken these."""

_BREATH_SECONDS = 0.1
"""Pause after a wake-up, so that a flood of batches is not a flood of queries."""

Item = tuple[Position, Event] | None
"""An event and its position, or None when it is time for a keep-alive."""


async def tip(sessions: async_sessionmaker[AsyncSession]) -> Position:
    """The position of a stream that starts now."""
    async with sessions() as session:
        return await events.tip(session)


async def follow(
    sessions: async_sessionmaker[AsyncSession],
    wake: Wake,
    after: Position,
    *,
    poll_seconds: float,
    keepalive_seconds: float,
) -> AsyncIterator[Item]:
    """Events after `after` until the process closes; None at least every `keepalive_seconds`.

    The client's pace is the pace of the queries: no queue stands between them. While Postgres is
    away the stream only keeps itself alive.
    """
    said = time.monotonic()
    while not wake.closed:
        seen = wake.count
        try:
            async with sessions() as session:
                page = (await events.settled_after(session, after, PAGE)).events
        except (SQLAlchemyError, OSError):
            page = []
        for position, event in page:
            yield position, event
            after = position
        if page:
            said = time.monotonic()
            if len(page) == PAGE:
                continue
        left = said + keepalive_seconds - time.monotonic()
        if left <= 0:
            yield None
            said = time.monotonic()
            left = keepalive_seconds
        if await wake.wait(min(poll_seconds, left), seen) and not wake.closed:
            await asyncio.sleep(_BREATH_SECONDS)
