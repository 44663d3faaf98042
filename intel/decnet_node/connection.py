"""A connection to the listener that is made again whenever it ends, for whatever is said on it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable, Coroutine

from prometheus_client import Counter

from decnet_node.listener_settings import ListenerClientSettings
from decnet_node.tasks import first_of
from decnet_node.tls import LinkError, certificate_stamp, connect

log = logging.getLogger(__name__)

_FIRST_BACKOFF_SECONDS = 0.1
_CERTIFICATE_CHECK_SECONDS = 1.0

Session = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[None, None, None]]
"""What is done with one connection; it ends when that does."""


class Connection:
    """`failures` are what a session may raise besides OSError; `reconnects` counts how often one ended."""

    def __init__(
        self,
        settings: ListenerClientSettings,
        alpn: str,
        failures: tuple[type[Exception], ...],
        reconnects: Counter,
    ) -> None:
        self._settings = settings
        self._alpn = alpn
        self._failures: tuple[type[Exception], ...] = (OSError, *failures)
        self._reconnects = reconnects
        self._backoff = _FIRST_BACKOFF_SECONDS
        self._told = ""
        self.connected = False
        self.problem = "not connected yet"

    async def run(self, session: Session) -> None:
        """Connect, and again with growing pauses, for ever."""
        while True:
            try:
                await self._once(session)
            except self._failures as error:
                problem = str(error) or type(error).__name__
                if problem != self._told:  # once, not at every attempt
                    log.warning("listener %s: %s", self._settings.listener, problem)
                self.problem = self._told = problem
            finally:
                self.connected = False
            self._reconnects.inc()
            pause = self._backoff * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, guards nothing
            self._backoff = min(self._backoff * 2, self._settings.backoff_seconds)
            await asyncio.sleep(pause)

    def heard(self) -> None:
        """The listener has answered: this connection is of use, the next pause is short again."""
        self._backoff = _FIRST_BACKOFF_SECONDS
        self._told = ""

    async def _once(self, session: Session) -> None:
        settings = self._settings
        stamp = certificate_stamp(settings.tls_dir)
        reader, writer = await connect(
            settings.listener_address, settings.server_name, settings.tls_dir, self._alpn
        )
        try:
            self.connected = True
            self.problem = ""
            log.info("connected to %s", settings.listener)
            await first_of(session(reader, writer), self._watch(stamp))
        finally:
            writer.transport.abort()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _watch(self, stamp: object) -> None:
        """Ends the session when the certificates were replaced."""
        while True:
            await asyncio.sleep(_CERTIFICATE_CHECK_SECONDS)
            if certificate_stamp(self._settings.tls_dir) != stamp:
                raise LinkError("certificates replaced, connecting anew")
