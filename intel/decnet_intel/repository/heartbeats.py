"""Signs of life of the components, and the schema's revision."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import delete, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from decnet_intel.models import Heartbeat


async def beat(session: AsyncSession, component: str, instance: str, detail: dict[str, Any]) -> None:
    """The process lives."""
    statement = insert(Heartbeat).values(component=component, instance=instance, detail=detail)
    await session.execute(
        statement.on_conflict_do_update(
            index_elements=["component", "instance"],
            set_={"seen_at": func.now(), "detail": statement.excluded.detail},
        )
    )


async def ages(session: AsyncSession) -> dict[str, float]:
    """Seconds since the youngest sign of life of each component."""
    age = func.extract("epoch", func.now() - func.max(Heartbeat.seen_at))
    rows = await session.execute(select(Heartbeat.component, age).group_by(Heartbeat.component))
    return {component: float(seconds) for component, seconds in rows}


async def prune(session: AsyncSession, older_than: timedelta) -> None:
    """Forget processes that are long gone."""
    await session.execute(delete(Heartbeat).where(Heartbeat.seen_at < func.now() - older_than))


async def revision(session: AsyncSession) -> str | None:
    """The schema's revision."""
    found: str | None = await session.scalar(text("select version_num from alembic_version"))
    return found
