"""Reading events: pages for people, and the late-commit-safe order for consumers."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, Text, cast, extract, func, or_, select, text, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from decnet_intel.models import Event


class PageEnd(NamedTuple):
    """The last row of a page; the next page is what is older."""

    day: date
    id: int


class Position(NamedTuple):
    """Where a consumer stands in the order (transaction, id)."""

    xid: int
    id: int


@dataclass(frozen=True, slots=True)
class EventFilter:
    """What rows must match; None matches everything. `search` is plain text, not a pattern."""

    search: str | None = None
    decky: str | None = None
    service: str | None = None
    event_id: str | None = None
    src_ip: str | None = None
    node: str | None = None


_SEARCHED = (Event.message, Event.raw, Event.decky, Event.service, Event.event_id, Event.hostname)
_XID = cast(cast(Event.xid, Text), Event.id.type)
"""`xid` as a number; a cast of xid8 to bigint does not exist."""


def escape_like(plain: str) -> str:
    """`plain` for LIKE with backslash as the escape character."""
    return plain.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _contains(plain: str) -> ColumnElement[bool]:
    """Whether any text of the row, or a field's value, contains `plain` in any case."""
    pattern = f"%{escape_like(plain)}%"
    in_json = f"%{escape_like(json.dumps(plain, ensure_ascii=False)[1:-1])}%"
    return or_(
        *(column.ilike(pattern, escape="\\") for column in _SEARCHED),
        func.host(Event.src_ip).ilike(pattern, escape="\\"),
        cast(Event.fields, Text).ilike(in_json, escape="\\"),
    )


def _matching(query: Select[Any], wanted: EventFilter) -> Select[Any]:
    if wanted.search:
        query = query.where(_contains(wanted.search))
    for column in ("decky", "service", "event_id", "node"):
        if (value := getattr(wanted, column)) is not None:
            query = query.where(getattr(Event, column) == value)
    if wanted.src_ip is not None:
        query = query.where(Event.src_ip == wanted.src_ip)
    return query


async def page(
    session: AsyncSession, wanted: EventFilter, limit: int, before: PageEnd | None = None
) -> list[Event]:
    """Up to `limit` events, newest day and highest id first; older than `before` when given.

    The order is that of the primary key, so Postgres walks the newest partition first and stops.
    """
    query = _matching(select(Event), wanted)
    if before is not None:
        query = query.where(
            Event.day <= before.day,  # implied by the next line, but only this prunes partitions
            tuple_(Event.day, Event.id) < tuple_(before.day, before.id),
        )
    rows = await session.scalars(query.order_by(Event.day.desc(), Event.id.desc()).limit(limit))
    return list(rows)


async def tip(session: AsyncSession) -> Position:
    """The position that everything already settled lies before."""
    horizon = await session.scalar(text("select pg_snapshot_xmin(pg_current_snapshot())::text::bigint"))
    return Position(int(horizon or 0), 0)


_AFTER = "(events.xid, events.id) > (cast(:after_xid as xid8), :after_id)"
_UNTIL = "(events.xid, events.id) <= (cast(:end_xid as xid8), :end_id)"
_SETTLED = f"{_AFTER} and events.xid < pg_snapshot_xmin(pg_current_snapshot())"


class Settled(NamedTuple):
    """Events in order, and how far was looked: the position of the last row, wanted or not."""

    end: Position
    events: list[tuple[Position, Event]]


async def settled_after(
    session: AsyncSession, after: Position, limit: int, wanted: ColumnElement[bool] | None = None
) -> Settled:
    """Of the first `limit` events after `after` that no running transaction can precede, those `wanted`.

    A row whose transaction is as old as one still running is left for later: that one could commit
    a row before it, which a reader that had gone past would never see.
    """
    after_values = {"after_xid": str(after.xid), "after_id": after.id}
    query = select(_XID, Event).order_by(Event.xid, Event.id)
    if wanted is None:
        rows = await session.execute(query.where(text(_SETTLED)).limit(limit), after_values)
        found = [(Position(int(xid), event.id), event) for xid, event in rows]
        return Settled(found[-1][0] if found else after, found)
    end = await _end_of_settled(session, after_values, limit)
    if end is None:
        return Settled(after, [])
    # Nothing can be added between the two positions any more, so a second snapshot does no harm.
    query = query.where(text(f"{_AFTER} and {_UNTIL}"), wanted)
    rows = await session.execute(query, {**after_values, "end_xid": str(end.xid), "end_id": end.id})
    return Settled(end, [(Position(int(xid), event.id), event) for xid, event in rows])


async def _end_of_settled(session: AsyncSession, after: dict[str, Any], limit: int) -> Position | None:
    """The position of the last of the first `limit` settled events after `after`; None without any."""
    first = select(_XID.label("xid"), Event.id).where(text(_SETTLED)).order_by(Event.xid, Event.id)
    row = (await session.execute(_last_of(first.limit(limit)), after)).one_or_none()
    return Position(int(row.xid), row.id) if row else None


def _last_of(query: Select[Any]) -> Select[Any]:
    rows = query.subquery()
    return select(rows).order_by(rows.c.xid.desc(), rows.c.id.desc()).limit(1)


class Lag(NamedTuple):
    """How far a reader is behind: events after its position, counted up to a limit, and the oldest's age."""

    events: int
    seconds: float


async def lag(session: AsyncSession, after: Position, limit: int) -> Lag:
    """How much there is after `after`, settled or not; not counted beyond `limit`."""
    waiting = (
        select(Event.received_at).where(text(_AFTER)).order_by(Event.xid, Event.id).limit(limit).subquery()
    )
    age = extract("epoch", func.now() - func.min(waiting.c.received_at))
    query = select(func.count(), func.coalesce(age, 0)).select_from(waiting)
    row = (await session.execute(query, {"after_xid": str(after.xid), "after_id": after.id})).one()
    return Lag(int(row[0]), max(0.0, float(row[1])))


async def last_received(session: AsyncSession) -> datetime | None:
    """When the newest of today's and yesterday's events came in, or None."""
    newest = (
        select(Event.received_at)
        .where(Event.day >= func.current_date() - 1)
        .order_by(Event.day.desc(), Event.id.desc())
        .limit(1)
    )
    return await session.scalar(newest)
