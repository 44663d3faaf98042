"""Partitions of the days ahead, and what is older than the retention goes."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime, time, timedelta

import psycopg
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from decnet_intel.artifacts.store import make_store
from decnet_intel.database import connect
from decnet_intel.repository import counts, heartbeats, partitions
from decnet_intel.settings import WorkerSettings
from decnet_intel.worker.artifacts import ArtifactRetention

DAYS_AHEAD = 2
_RETRY_SECONDS = 5.0
_FORGET_PROCESSES = timedelta(days=1)

log = logging.getLogger(__name__)


class Upkeep:
    """One round does all of it; rounds may overlap with other workers' without harm."""

    def __init__(self, settings: WorkerSettings, engine: AsyncEngine) -> None:
        self._settings = settings
        self._engine = engine
        self._artifacts = ArtifactRetention(make_store(settings), timedelta(days=settings.retention_days))
        self.trouble: str | None = "has not run yet"
        """Why the last round failed; None when it did not."""

    async def run(self) -> None:
        """Round after round until cancelled."""
        while True:
            try:
                await self.round()
                self.trouble = None
                pause = self._settings.upkeep_seconds
            except (psycopg.Error, SQLAlchemyError, OSError) as error:
                self.trouble = f"upkeep: {error}"
                pause = _RETRY_SECONDS
                log.warning("%s; trying again in %.0f s", self.trouble, pause)
            await asyncio.sleep(pause)

    async def round(self) -> None:
        """Make partitions up to DAYS_AHEAD, drop what is too old. Raises database errors."""
        today = datetime.now(UTC).date()
        keep = timedelta(days=self._settings.retention_days)
        async with await connect(self._settings, "decnet-worker-upkeep") as connection:
            present = await partitions.existing(connection)
            for ahead in range(DAYS_AHEAD + 1):
                if (day := today + timedelta(days=ahead)) not in present:
                    await partitions.create(connection, day)
            await partitions.drop_before(connection, today - keep)
            await partitions.forget_files(connection, keep)
        async with AsyncSession(self._engine) as session, session.begin():
            await counts.prune(session, datetime.combine(today - keep, time(), UTC))
            await heartbeats.prune(session, _FORGET_PROCESSES)
        async with await connect(self._settings, "decnet-worker-artifacts") as connection:
            await self._artifacts.round(connection)
