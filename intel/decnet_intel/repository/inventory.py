"""The mirror of Deckies and SwarmHosts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import delete, func, or_, select, text, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from decnet_intel.models import Base, Decky, SwarmHost

PINS_CHANNEL = "swarm_hosts"
"""NOTIFY channel that says: read the pins again."""


async def deckies(session: AsyncSession) -> list[Decky]:
    """All deckies by namespace and name."""
    return list(await session.scalars(select(Decky).order_by(Decky.namespace, Decky.name)))


async def swarm_hosts(session: AsyncSession) -> list[SwarmHost]:
    """All hosts by name."""
    return list(await session.scalars(select(SwarmHost).order_by(SwarmHost.name)))


async def _upsert(session: AsyncSession, model: type[Base], values: dict[str, Any]) -> bool:
    """Write a row when it differs from what is there; whether it did."""
    keys = [column.name for column in model.__table__.primary_key]
    statement = insert(model).values(**values)
    changed = [name for name in values if name not in keys]
    upsert = statement.on_conflict_do_update(
        index_elements=keys,
        set_={**{name: statement.excluded[name] for name in changed}, "updated_at": func.now()},
        where=or_(*(getattr(model, name).is_distinct_from(statement.excluded[name]) for name in changed)),
    ).returning(text("1"))
    return await session.scalar(upsert) is not None


async def put_decky(session: AsyncSession, values: dict[str, Any]) -> None:
    """Make or change a decky."""
    await _upsert(session, Decky, values)


async def drop_decky(session: AsyncSession, namespace: str, name: str) -> None:
    """The decky is gone."""
    await session.execute(delete(Decky).where(Decky.namespace == namespace, Decky.name == name))


async def keep_deckies(session: AsyncSession, keys: Sequence[tuple[str, str]]) -> None:
    """Drop all deckies but those of (namespace, name) in `keys`."""
    query = delete(Decky)
    if keys:
        query = query.where(tuple_(Decky.namespace, Decky.name).not_in(keys))
    await session.execute(query)


async def put_swarm_host(session: AsyncSession, values: dict[str, Any]) -> None:
    """Make or change a host; listeners are woken when the pin may have changed."""
    if await _upsert(session, SwarmHost, values):
        await _wake(session)


async def drop_swarm_host(session: AsyncSession, name: str) -> None:
    """The host is gone, and with it its pin."""
    await session.execute(delete(SwarmHost).where(SwarmHost.name == name))
    await _wake(session)


async def keep_swarm_hosts(session: AsyncSession, names: Sequence[str]) -> None:
    """Drop all hosts but those in `names`."""
    await session.execute(delete(SwarmHost).where(SwarmHost.name.not_in(names)))
    await _wake(session)


async def pins(session: AsyncSession) -> dict[str, str]:
    """The pinned SHA-256 by host name; hosts without one are left out."""
    query = select(SwarmHost.name, SwarmHost.sha256).where(SwarmHost.sha256.is_not(None))
    return {name: sha256 for name, sha256 in (await session.execute(query)) if sha256}


async def _wake(session: AsyncSession) -> None:
    await session.execute(select(func.pg_notify(PINS_CHANNEL, "")))
