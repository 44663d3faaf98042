"""Waiting for something that Postgres announces with NOTIFY, with a connection that mends itself."""

from __future__ import annotations

import asyncio
import contextlib
import logging

import psycopg
from psycopg import sql

from decnet_intel.database import connect
from decnet_intel.settings import CommonSettings

_RETRY_SECONDS = 1.0
_IDLE_SECONDS = 15.0  # then a query shows whether the connection still lives

log = logging.getLogger(__name__)


class Wake:
    """Wakes everyone who waits whenever `channel` is notified, and when the connection comes back.

    A notification may be missed while Postgres is away: whoever waits must also poll.
    """

    def __init__(self, settings: CommonSettings, channel: str, application: str) -> None:
        self._settings = settings
        self._channel = channel
        self._application = application
        self._event = asyncio.Event()
        self.count = 0
        """Notifications so far. Whoever looks for news takes it first, and gives it to `wait` after."""
        self.closed = False

    async def wait(self, seconds: float, since: int) -> bool:
        """Whether a notification came after `count` was `since`, within `seconds`; at once after `close`."""
        if self.closed or self.count != since:
            return True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._event.wait()
                return True
        return False

    def wake(self) -> None:
        """Let everyone who waits now go on."""
        self.count += 1
        event, self._event = self._event, asyncio.Event()
        event.set()

    def close(self) -> None:
        """Let everyone go on for good; they look at `closed`."""
        self.closed = True
        self.wake()

    async def run(self) -> None:
        """Listen until cancelled."""
        while True:
            try:
                async with await connect(self._settings, self._application) as connection:
                    await connection.execute(sql.SQL("listen {}").format(sql.Identifier(self._channel)))
                    self.wake()
                    while True:
                        async for _ in connection.notifies(timeout=_IDLE_SECONDS):
                            self.wake()
                        await connection.execute("select 1")
            except (psycopg.Error, OSError) as error:
                log.warning("no wake-ups on %s, polling meanwhile: %s", self._channel, error)
            await asyncio.sleep(_RETRY_SECONDS)
