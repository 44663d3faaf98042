"""Captures that are too old go, and with the last capture of it goes content."""

from __future__ import annotations

import logging
from datetime import timedelta

from decnet_intel.artifacts.store import ContentStore
from decnet_intel.repository import captures
from decnet_intel.repository.ingest import Connection

_BATCH = 1000  # captures in one transaction
_STRAY_SECONDS = 86_400.0
"""Content without a row is being recorded, or was left by a process that died: after this, the latter."""

log = logging.getLogger(__name__)


class ArtifactRetention:
    """Rounds may overlap with other workers' and with listeners that store the same content."""

    def __init__(self, store: ContentStore, kept: timedelta) -> None:
        self._store = store
        self._kept = kept

    async def round(self, connection: Connection) -> None:
        """Drop what is older than what is kept. Raises psycopg.Error, or OSError when the store is away."""
        for node in await captures.nodes_older_than(connection, self._kept):
            while contents := await captures.drop_older_than(connection, node, self._kept, _BATCH):
                for sha256 in contents:
                    await self._forget(connection, sha256)
        for sha256 in await captures.uncaptured(connection, _BATCH):
            await self._forget(connection, sha256)
        await self._drop_strays(connection)
        await captures.forget_losses(connection, self._kept)

    async def _drop_strays(self, connection: Connection) -> None:
        strays: list[str] = []
        async for sha256 in self._store.older_than(_STRAY_SECONDS):
            strays.append(sha256)
            if len(strays) == _BATCH:
                await self._forget_unknown(connection, strays)
                strays = []
        await self._forget_unknown(connection, strays)

    async def _forget_unknown(self, connection: Connection, sha256s: list[str]) -> None:
        known = await captures.kept_of(connection, sha256s)
        for sha256 in sha256s:
            if sha256 not in known:
                await self._forget(connection, sha256)

    async def _forget(self, connection: Connection, sha256: str) -> None:
        """Forget content that has no capture. Its row goes first: without a row it is a stray at worst."""
        if not await captures.try_content_lock(connection, sha256):
            return  # a listener is about to record it
        try:
            await captures.drop_uncaptured(connection, sha256)
            if not await captures.is_kept(connection, sha256):
                await self._store.delete(sha256)
                log.info("dropped the content %s", sha256)
        finally:
            await captures.unlock_content(connection, sha256)
