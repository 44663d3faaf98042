"""Where each consumer of events stands, which process is it, and what it could not deal with."""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from decnet_intel.repository.events import Position

_LOCK = "hashtextextended('decnet consumer ' || :consumer, 0)"
_SET = (
    "insert into cursors (consumer, xid, event_id) values (:consumer, cast(:xid as xid8), :id)"
    " on conflict (consumer) do update"
    " set xid = excluded.xid, event_id = excluded.event_id, updated_at = now()"
)
_BURY = (
    "insert into dead_letters (consumer, xid, event_id, topic, event, error, tries)"
    " select :consumer, e.xid, e.id, :topic, to_jsonb(e), :error, :tries"
    " from events e where e.xid = cast(:xid as xid8) and e.id = :id"
)


async def take_over(connection: AsyncConnection, consumer: str) -> bool:
    """Whether this connection is the one that may be `consumer` now, for as long as it lasts."""
    taken = await connection.scalar(text(f"select pg_try_advisory_lock({_LOCK})"), {"consumer": consumer})
    await connection.commit()
    return bool(taken)


async def position(session: AsyncSession, consumer: str) -> Position | None:
    """The last event that `consumer` has dealt with; None before its first."""
    query = text("select xid::text::bigint, event_id from cursors where consumer = :consumer")
    row = (await session.execute(query, {"consumer": consumer})).one_or_none()
    return Position(int(row[0]), int(row[1])) if row else None


async def move(session: AsyncSession, consumer: str, to: Position) -> None:
    """Everything up to `to` is dealt with once the transaction commits."""
    await session.execute(text(_SET), {"consumer": consumer, "xid": str(to.xid), "id": to.id})


async def bury(
    session: AsyncSession, consumer: str, at: Position, *, topic: str, error: str, tries: int
) -> None:
    """Put the event at `at` into the dead letters, with all that its row holds."""
    values = {"consumer": consumer, "topic": topic, "error": error, "tries": tries}
    await session.execute(text(_BURY), {**values, "xid": str(at.xid), "id": at.id})
