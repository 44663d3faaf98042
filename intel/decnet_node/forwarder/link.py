"""What is said to the listener: frames out, acknowledgements in."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping

from decnet_events.framing import ALPN_ACKNOWLEDGED, MAX_ACK_FRAME, FrameDecoder, FramingError, decode_ack
from decnet_node.connection import Connection
from decnet_node.forwarder.metrics import Metrics
from decnet_node.forwarder.settings import ForwarderSettings
from decnet_node.forwarder.state import FileKey
from decnet_node.forwarder.window import Window, WindowError
from decnet_node.tasks import first_of
from decnet_node.tls import LinkError

_SILENCE_CHECK_SECONDS = 1.0
_SEND_BUFFER = 512 * 1024


class Link:
    """Keeps one connection up and moves batches of `window` over it.

    `committed` is called with the offsets that hold, in order; `filled` is to be set when the window
    got a batch, `drained` is set here when it got room.
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
        self._connection = Connection(
            settings, ALPN_ACKNOWLEDGED, (FramingError, WindowError), metrics.reconnects
        )
        self.filled = asyncio.Event()
        self.drained = asyncio.Event()

    @property
    def connected(self) -> bool:
        """Whether there is a connection now."""
        return self._connection.connected

    @property
    def problem(self) -> str:
        """Why there is none; empty while there is."""
        return self._connection.problem

    async def run(self) -> None:
        """Connect, and again with growing pauses, for ever."""
        await self._connection.run(self._session)

    async def _session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.set_write_buffer_limits(high=_SEND_BUFFER)
        self._heard_at = time.monotonic()
        self._metrics.resent.inc(self._window.reconnect())
        await first_of(self._send(writer), self._receive(reader), self._watch())

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
            self._connection.heard()
            self.drained.set()
        raise LinkError("closed by the listener")

    async def _watch(self) -> None:
        """Ends the session when the listener has gone silent."""
        while True:
            await asyncio.sleep(_SILENCE_CHECK_SECONDS)
            if not self._window.awaiting:
                self._heard_at = time.monotonic()
            elif time.monotonic() - self._heard_at > self._settings.ack_seconds:
                raise LinkError(f"no acknowledgement for {self._settings.ack_seconds:g} s")
