"""Pages of events, with a cursor that says nothing to the client."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from datetime import date

from sqlalchemy.ext.asyncio import AsyncSession

from decnet_intel.models import Event
from decnet_intel.repository import events
from decnet_intel.repository.events import EventFilter, PageEnd, Position


class BadCursorError(ValueError):
    """The cursor is not one that we gave out."""


@dataclass(frozen=True, slots=True)
class Page:
    """Events, newest first, and the cursor of what is older; None on the last page."""

    items: list[Event]
    next_cursor: str | None


def encode_cursor(end: PageEnd) -> str:
    """`end` as URL-safe text."""
    return base64.urlsafe_b64encode(f"{end.day.toordinal()}.{end.id}".encode()).decode().rstrip("=")


def decode_cursor(cursor: str) -> PageEnd:
    """The reverse of encode_cursor. Raises BadCursorError."""
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        day, _, row = base64.b64decode(padded, altchars=b"-_", validate=True).decode("ascii").partition(".")
        end = PageEnd(date.fromordinal(int(day)), int(row))
    except (binascii.Error, ValueError, OverflowError) as error:
        raise BadCursorError("the cursor is not one of ours; start without it") from error
    if not 0 <= end.id < 1 << 63:
        raise BadCursorError("the cursor is not one of ours; start without it")
    return end


async def page(session: AsyncSession, wanted: EventFilter, limit: int, cursor: str | None) -> Page:
    """The page after `cursor`. Raises BadCursorError."""
    before = decode_cursor(cursor) if cursor else None
    rows = await events.page(session, wanted, limit + 1, before)
    items = rows[:limit]
    more = len(rows) > limit
    return Page(items, encode_cursor(PageEnd(items[-1].day, items[-1].id)) if more else None)


def format_position(position: Position) -> str:
    """A stream position as the `id:` of a server-sent event."""
    return f"{position.xid}-{position.id}"


def parse_position(text: str) -> Position:
    """The reverse of format_position. Raises BadCursorError."""
    xid, _, row = text.partition("-")
    if not (xid.isascii() and xid.isdigit() and row.isascii() and row.isdigit()):
        raise BadCursorError("Last-Event-ID is not one of ours; connect without it")
    position = Position(int(xid), int(row))
    if max(position) >= 1 << 63:
        raise BadCursorError("Last-Event-ID is not one of ours; connect without it")
    return position
