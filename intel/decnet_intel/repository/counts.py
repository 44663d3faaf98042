"""Statistics from the running counts; nothing here reads `events`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from decnet_intel.models import EventCount, SourceCount

HISTOGRAM_HOURS = 24


@dataclass(frozen=True, slots=True)
class Totals:
    """All events that are still kept, and how many of them carry a secret."""

    events: int
    credentials: int
    sources: int
    last_at: datetime | None


@dataclass(frozen=True, slots=True)
class Counted:
    """A name and its number of events."""

    name: str
    events: int
    last_at: datetime


async def totals(session: AsyncSession) -> Totals:
    """The sums of everything."""
    events, credentials, last_at = (
        await session.execute(
            select(
                func.coalesce(func.sum(EventCount.events), 0),
                func.coalesce(func.sum(EventCount.credentials), 0),
                func.max(EventCount.last_at),
            )
        )
    ).one()
    sources = await session.scalar(select(func.count(func.distinct(SourceCount.src_ip))))
    return Totals(int(events), int(credentials), sources or 0, last_at)


async def by(session: AsyncSession, column: str, limit: int) -> list[Counted]:
    """The `limit` most frequent values of `service`, `decky`, `node` or `event_id`."""
    name = getattr(EventCount, column)
    total = func.sum(EventCount.events)
    query = (
        select(name, total, func.max(EventCount.last_at))
        .group_by(name)
        .order_by(total.desc(), name)
        .limit(limit)
    )
    return [Counted(row[0], int(row[1]), row[2]) for row in await session.execute(query)]


async def top_sources(session: AsyncSession, limit: int) -> list[Counted]:
    """The `limit` addresses with most events."""
    total = func.sum(SourceCount.events)
    address = func.host(SourceCount.src_ip)
    query = (
        select(address, total, func.max(SourceCount.last_at))
        .group_by(SourceCount.src_ip)
        .order_by(total.desc(), SourceCount.src_ip)
        .limit(limit)
    )
    return [Counted(row[0], int(row[1]), row[2]) for row in await session.execute(query)]


async def last_hours(session: AsyncSession) -> list[tuple[datetime, int]]:
    """Events of each of the last 24 hours, the current one last; hours without any are 0."""
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    hours = [now - timedelta(hours=back) for back in range(HISTOGRAM_HOURS - 1, -1, -1)]
    query = (
        select(EventCount.hour, func.sum(EventCount.events))
        .where(EventCount.hour >= hours[0], EventCount.hour <= now)
        .group_by(EventCount.hour)
    )
    found = {row[0]: int(row[1]) for row in await session.execute(query)}
    return [(hour, found.get(hour, 0)) for hour in hours]


async def per_decky(session: AsyncSession) -> dict[tuple[str, str], Counted]:
    """Events of each decky by (namespace, name)."""
    query = select(
        EventCount.namespace, EventCount.decky, func.sum(EventCount.events), func.max(EventCount.last_at)
    ).group_by(EventCount.namespace, EventCount.decky)
    return {(row[0], row[1]): Counted(row[1], int(row[2]), row[3]) for row in await session.execute(query)}


async def prune(session: AsyncSession, before: datetime) -> None:
    """Forget counts of days before `before`, as their events are."""
    await session.execute(delete(EventCount).where(EventCount.hour < before))
    await session.execute(delete(SourceCount).where(SourceCount.day < before.date()))
