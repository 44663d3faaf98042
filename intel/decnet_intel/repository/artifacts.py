"""Reading what is kept of artifacts."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from decnet_intel.models import Artifact, Capture


@dataclass(frozen=True, slots=True)
class CaptureFilter:
    """What captures must match; None matches everything."""

    namespace: str | None = None
    decky: str | None = None
    service: str | None = None
    kind: str | None = None
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Captured:
    """A capture and its content's size in bytes."""

    capture: Capture
    size: int


async def page(
    session: AsyncSession, wanted: CaptureFilter, limit: int, before: int | None = None
) -> list[Captured]:
    """Up to `limit` captures, the latest first, with a lower id than `before` when given."""
    query = select(Capture, Artifact.size).join(Artifact, Artifact.sha256 == Capture.sha256)
    for column in ("namespace", "decky", "service", "kind", "sha256"):
        if (value := getattr(wanted, column)) is not None:
            query = query.where(getattr(Capture, column) == value)
    if before is not None:
        query = query.where(Capture.id < before)
    rows = await session.execute(query.order_by(Capture.id.desc()).limit(limit))
    return [Captured(capture, size) for capture, size in rows]


async def find(session: AsyncSession, sha256: str) -> Artifact | None:
    """The content with this SHA-256, if it is kept."""
    return await session.get(Artifact, sha256)


async def count_captures(session: AsyncSession, sha256: str) -> int:
    """How often the content was captured."""
    found = await session.scalar(select(func.count()).where(Capture.sha256 == sha256))
    return found or 0
