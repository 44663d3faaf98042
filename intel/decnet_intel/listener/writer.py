"""The one task that writes: gathers what all connections have read and commits it in order.

No line is acknowledged before its transaction is committed, and none is let go before that: while
Postgres is away, full or read-only the writer waits, its buffer fills, and reading stops.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import psycopg

from decnet_intel.database import connect
from decnet_intel.listener import metrics
from decnet_intel.listener.store import Store, count
from decnet_intel.repository.entries import Entry
from decnet_intel.repository.ingest import Connection
from decnet_intel.settings import ListenerSettings

_FIRST_PAUSE = 0.1  # seconds before the second try
_LONGEST_PAUSE = 5.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Chunk:
    """Lines that one connection read at once; `committed` is called with their number when they are."""

    entries: list[Entry]
    size: int
    committed: Callable[[int], None]


class Writer:
    """A bounded queue in front of Postgres."""

    def __init__(self, settings: ListenerSettings) -> None:
        self._settings = settings
        self._queue: deque[Chunk] = deque()
        self._held = 0
        self._filled = asyncio.Event()
        self._room = asyncio.Condition()
        self.trouble: str | None = "has not reached Postgres yet"
        """Why nothing is being committed; None when all is well."""

    async def put(self, chunk: Chunk) -> None:
        """Hand over a chunk; waits while the buffer is full."""
        async with self._room:
            await self._room.wait_for(lambda: self._held < self._settings.buffer_bytes)
            self._hold(chunk.size)
        self._queue.append(chunk)
        self._filled.set()

    async def run(self) -> None:
        """Write until cancelled."""
        pause = _FIRST_PAUSE
        while True:
            try:
                async with await connect(self._settings, "decnet-listener") as connection:
                    store = Store(connection, self._settings.retention_days)
                    await store.open()
                    self.trouble = None
                    while True:
                        await self._next_batch(connection, store)
                        pause = _FIRST_PAUSE
            except (psycopg.Error, OSError) as error:  # TimeoutError is an OSError
                self.trouble = f"cannot write to Postgres: {error}"
                metrics.RETRIES.inc()
                log.warning("%s; trying again in %.1f s", self.trouble, pause)
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def drain(self) -> None:
        """Wait until all that was put is committed."""
        async with self._room:
            await self._room.wait_for(lambda: self._held == 0)

    async def _next_batch(self, connection: Connection, store: Store) -> None:
        """Commit what is there, up to a batch; waits for the first line."""
        await self._filled.wait()
        batch: list[Chunk] = []
        lines = 0
        for chunk in self._queue:
            if batch and lines + len(chunk.entries) > self._settings.batch_lines:
                break
            batch.append(chunk)
            lines += len(chunk.entries)
        entries = [entry for chunk in batch for entry in chunk.entries]
        started = time.monotonic()
        async with _limited(connection, self._settings.transaction_seconds):
            stored = await store.save(entries)
        metrics.TRANSACTIONS.observe(time.monotonic() - started)
        count(entries, stored)
        for chunk in batch:
            self._queue.popleft()
            chunk.committed(len(chunk.entries))
        if not self._queue:
            self._filled.clear()
        async with self._room:
            self._hold(-sum(chunk.size for chunk in batch))
            self._room.notify_all()

    def _hold(self, size: int) -> None:
        self._held += size
        metrics.BUFFERED.set(self._held)


@contextlib.asynccontextmanager
async def _limited(connection: Connection, seconds: float) -> AsyncIterator[None]:
    """Give the connection up when the block takes longer. Raises TimeoutError then."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        await connection.close()
        raise
