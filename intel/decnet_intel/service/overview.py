"""Statistics, the deckies table and the health of the whole."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from decnet_intel.models import Decky
from decnet_intel.repository import counts, events, heartbeats, inventory
from decnet_intel.repository.counts import Counted, Totals

TOP = 10
MANY = 100
SILENT_AFTER = 45.0
"""Seconds without a sign of life after which a component counts as away; they beat every 10."""

COMPONENTS = ("listener", "worker")


@dataclass(frozen=True, slots=True)
class Stats:
    """What the dashboard's first page shows."""

    totals: Totals
    by_service: list[Counted]
    by_decky: list[Counted]
    by_event: list[Counted]
    top_sources: list[Counted]
    last_24_hours: list[tuple[datetime, int]]
    deckies: int
    deckies_ready: int


@dataclass(frozen=True, slots=True)
class DeckyActivity:
    """A decky and what happened to it."""

    decky: Decky
    events: int
    last_event_at: datetime | None


async def stats(session: AsyncSession) -> Stats:
    """All statistics, from running counts."""
    deckies = await inventory.deckies(session)
    return Stats(
        totals=await counts.totals(session),
        by_service=await counts.by(session, "service", MANY),
        by_decky=await counts.by(session, "decky", MANY),
        by_event=await counts.by(session, "event_id", MANY),
        top_sources=await counts.top_sources(session, TOP),
        last_24_hours=await counts.last_hours(session),
        deckies=len(deckies),
        deckies_ready=sum(decky.ready for decky in deckies),
    )


async def deckies(session: AsyncSession) -> list[DeckyActivity]:
    """All deckies with their activity."""
    activity = await counts.per_decky(session)
    found = []
    for decky in await inventory.deckies(session):
        counted = activity.get((decky.namespace, decky.name))
        found.append(
            DeckyActivity(decky, counted.events if counted else 0, counted.last_at if counted else None)
        )
    return found


async def components(session: AsyncSession, expected_revision: str) -> dict[str, tuple[bool, str]]:
    """Each component: whether it is well, and a sentence."""
    revision = await heartbeats.revision(session)
    found = {
        "database": (True, "answers"),
        "schema": (
            revision == expected_revision,
            f"revision {revision}, this release has {expected_revision}",
        ),
    }
    ages = await heartbeats.ages(session)
    for component in COMPONENTS:
        age = ages.get(component)
        text = "no sign of life yet" if age is None else f"last sign of life {age:.0f} s ago"
        found[component] = (age is not None and age < SILENT_AFTER, text)
    last = await events.last_received(session)
    found["ingest"] = (
        True,
        f"last event came in at {last.isoformat()}" if last else "no event since yesterday",
    )
    return found
