"""Which client certificates are trusted: those that the database pins, as fresh as can be."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from decnet_intel.notify import Wake
from decnet_intel.repository import inventory

_SHORTEST_SECONDS = 0.2
"""Unknown certificates cannot make us read the pins more often than this."""

log = logging.getLogger(__name__)


class Pins:
    """The pinned SHA-256 of each node, read on a wake-up, every `seconds`, and for a newcomer.

    While Postgres is away the last known pins hold: nothing could be stored anyway.
    """

    def __init__(self, engine: AsyncEngine, wake: Wake, seconds: float) -> None:
        self._engine = engine
        self._wake = wake
        self._seconds = seconds
        self._pins: dict[str, str] = {}
        self._changed: Callable[[], None] = lambda: None
        self._read_at = float("-inf")
        self._lock = asyncio.Lock()

    @property
    def age(self) -> float:
        """Seconds since the pins were read."""
        return time.monotonic() - self._read_at

    def holds(self, node: str, sha256: str) -> bool:
        """Whether this is the certificate pinned for `node`, as far as is known."""
        return self._pins.get(node) == sha256

    async def trusts(self, node: str, sha256: str) -> bool:
        """As `holds`, after reading the pins again when the answer would be no."""
        if not self.holds(node, sha256):
            await self._refresh()
        return self.holds(node, sha256)

    async def run(self, changed: Callable[[], None]) -> None:
        """Keep the pins fresh until cancelled; calls `changed` when they are others."""
        self._changed = changed
        while True:
            seen = self._wake.count
            await self._refresh()
            await self._wake.wait(self._seconds, seen)

    async def _refresh(self) -> None:
        """Read the pins, unless someone else did since this was called."""
        asked_at = time.monotonic()
        async with self._lock:
            if self._read_at > asked_at:
                return
            if self.age < _SHORTEST_SECONDS:
                await asyncio.sleep(_SHORTEST_SECONDS - self.age)
            try:
                async with AsyncSession(self._engine) as session:
                    pins = await inventory.pins(session)
            except (SQLAlchemyError, OSError) as error:
                log.warning("cannot read the pinned certificates: %s", error)
                return
            self._read_at = time.monotonic()
            if pins != self._pins:
                self._pins = pins
                self._changed()  # whoever noticed: a newcomer's look must not hide a withdrawal
