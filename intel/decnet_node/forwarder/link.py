"""The connection to the listener: TLS 1.3 with both sides' certificates, frames out, acknowledgements in."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Callable, Mapping

from decnet_events.framing import ALPN_ACKNOWLEDGED, MAX_ACK_FRAME, FrameDecoder, FramingError, decode_ack
from decnet_node.forwarder.metrics import Metrics
from decnet_node.forwarder.settings import ForwarderSettings
from decnet_node.forwarder.state import FileKey
from decnet_node.forwarder.window import Window, WindowError
from decnet_node.tasks import first_of
from decnet_node.tls import LinkError, certificate_stamp, connect

log = logging.getLogger(__name__)

_CERTIFICATE_CHECK_SECONDS = 1.0
_FIRST_BACKOFF_SECONDS = 0.1
_SEND_BUFFER = 512 * 1024


class Link:
    """Keeps one connection up and moves batches of `window` over it.

    `committed` is called with the offsets that hold, in order; `changed` is to be set when the window
    got a batch and is set here when it got room.
    """

    def __init__(
        self,
        settings: ForwarderSettings,
        window: Window,
        metrics: Metrics,
        committed: Callable[[Mapping[FileKey, int]], None],
    ) -> None:
        self._settings = settings
        self._window = window
        self._metrics = metrics
        self._committed = committed
        self._heard_at = 0.0
        self._backoff = _FIRST_BACKOFF_SECONDS
        self._told = ""
        self.filled = asyncio.Event()
        self.drained = asyncio.Event()
        self.connected = False
        self.problem = "not connected yet"

    async def run(self) -> None:
        """Connect, and again with growing pauses, for ever."""
        while True:
            try:
                await self._session()
            except (OSError, FramingError, WindowError, TimeoutError) as error:
                problem = str(error) or type(error).__name__
                if problem != self._told:  # once, not at every attempt
                    log.warning("listener %s: %s", self._settings.listener, problem)
                self.problem = self._told = problem
            finally:
                self.connected = False
            self._metrics.reconnects.inc()
            pause = self._backoff * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, guards nothing
            self._backoff = min(self._backoff * 2, self._settings.backoff_seconds)
            await asyncio.sleep(pause)

    async def _session(self) -> None:
        stamp = certificate_stamp(self._settings.tls_dir)
        reader, writer = await self._connect()
        try:
            self.connected = True
            self.problem = ""
            self._heard_at = time.monotonic()
            self._metrics.resent.inc(self._window.reconnect())
            log.info("connected to %s", self._settings.listener)
            await first_of(self._send(writer), self._receive(reader), self._watch(stamp))
        finally:
            writer.transport.abort()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        settings = self._settings
        reader, writer = await connect(
            settings.listener_address, settings.server_name, settings.tls_dir, ALPN_ACKNOWLEDGED
        )
        writer.transport.set_write_buffer_limits(high=_SEND_BUFFER)
        return reader, writer

    async def _send(self, writer: asyncio.StreamWriter) -> None:
        while True:
            frames = self._window.take()
            if frames is None:
                self.filled.clear()
                await self.filled.wait()
                continue
            writer.write(frames)
            self._metrics.sent_bytes.inc(len(frames))
            await writer.drain()

    async def _receive(self, reader: asyncio.StreamReader) -> None:
        decoder = FrameDecoder(MAX_ACK_FRAME)
        while data := await reader.read(1 << 16):
            frames = decoder.feed(data)
            if not frames:
                continue
            # Acknowledgements are cumulative, but each is checked: a peer that goes back is broken.
            for frame in frames:
                fresh, commits = self._window.acknowledge(decode_ack(frame))
                self._metrics.acknowledged.inc(fresh)
                if commits:
                    self._committed(commits)
            self._heard_at = time.monotonic()
            self._backoff = _FIRST_BACKOFF_SECONDS
            self._told = ""
            self.drained.set()
        raise LinkError("closed by the listener")

    async def _watch(self, stamp: object) -> None:
        """Ends the session when the certificates were replaced or the listener has gone silent."""
        while True:
            await asyncio.sleep(_CERTIFICATE_CHECK_SECONDS)
            if certificate_stamp(self._settings.tls_dir) != stamp:
                raise LinkError("certificates replaced, connecting anew")
            if not self._window.awaiting:
                self._heard_at = time.monotonic()
            elif time.monotonic() - self._heard_at > self._settings.ack_seconds:
                raise LinkError(f"no acknowledgement for {self._settings.ack_seconds:g} s")
