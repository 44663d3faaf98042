"""One connection of one node, from its first frame to its last acknowledgement."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid
from datetime import UTC, datetime
from typing import Any

from decnet_events.framing import FrameDecoder, FramingError, encode_ack
from decnet_intel.listener import metrics
from decnet_intel.listener.tls import Peer
from decnet_intel.listener.writer import Chunk, Writer
from decnet_intel.service.fast_lines import FastReader
from decnet_intel.settings import ListenerSettings

READ_BYTES = 128 * 1024
ENTRY_OVERHEAD = 1000
"""Bytes of memory of an entry beside its text, so that a flood of tiny frames is counted as what it costs."""

MOST_ROWS = 500
"""Rows made at once, for up to 30 µs each: a piece full of frames of one byte would make eighty times as many."""

log = logging.getLogger(__name__)


class Connection:
    """Reads frames into the writer; sends acknowledgements when the client asked for them by ALPN."""

    def __init__(
        self,
        peer: Peer,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        store: Writer,
        settings: ListenerSettings,
        *,
        acknowledged: bool,
    ) -> None:
        self.peer = peer
        self._reader = reader
        self._writer = writer
        self._store = store
        self._settings = settings
        self._acknowledged = acknowledged
        self._decoder = FrameDecoder()
        self._lines = FastReader(peer.node, str(uuid.uuid4()), acknowledged=acknowledged)
        self._forged = 0
        self._committed = 0
        self._read = 0
        self._moved = asyncio.Event()
        self._settled = asyncio.Event()
        self._settled.set()
        self._aborted = False
        self._stopped: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def serve(self) -> None:
        """Until the client goes, breaks the rules, or `stop` is called."""
        acks = asyncio.create_task(self._send_acks()) if self._acknowledged else None
        try:
            await self._read_frames()
            if acks is not None and not self._aborted:
                await self._last_acks()
        finally:
            if acks is not None:
                acks.cancel()
                await asyncio.gather(acks, return_exceptions=True)
            self._writer.close()
            with contextlib.suppress(OSError):
                await self._writer.wait_closed()

    def stop(self) -> None:
        """Read no more; what was read is still committed and acknowledged."""
        if not self._stopped.done():
            self._stopped.set_result(None)

    def abort(self, reason: str) -> None:
        """End at once."""
        metrics.REFUSED.labels(reason).inc()
        log.warning("connection of %s ended: %s", self.peer.node, reason)
        self._aborted = True
        self._writer.transport.abort()
        self.stop()

    async def _read_frames(self) -> None:
        """Until end of file or a broken rule."""
        frame_deadline: float | None = None
        loop = asyncio.get_running_loop()
        while not self._stopped.done():
            limit = self._settings.idle_seconds
            if frame_deadline is not None:
                limit = max(0.0, frame_deadline - loop.time())
            try:
                data = await self._next_piece(limit)
            except TimeoutError:
                self.abort("slow frame" if frame_deadline is not None else "idle")
                return
            if not data:
                return
            frames, broken = self._decode(data)
            for at in range(0, len(frames), MOST_ROWS):
                await self._hand_over(frames[at : at + MOST_ROWS])
                await asyncio.sleep(0)  # others want their turn
            if broken is not None:
                self.abort(broken)
                return
            if not self._decoder.pending:
                frame_deadline = None
            elif frames or frame_deadline is None:
                frame_deadline = loop.time() + self._settings.frame_seconds

    async def _next_piece(self, seconds: float) -> bytes:
        """What the client sent; nothing at its end or after `stop`. Raises TimeoutError."""
        read = asyncio.ensure_future(self._reader.read(READ_BYTES))
        try:
            either: set[asyncio.Future[Any]] = {read, self._stopped}
            await asyncio.wait(either, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if read.done():
                return read.result()
            if self._stopped.done():
                return b""
            raise TimeoutError
        except ConnectionError:
            return b""
        finally:
            read.cancel()

    def _decode(self, data: bytes) -> tuple[list[bytes], str | None]:
        """Whole frames, and what is wrong with the rest."""
        try:
            return self._decoder.feed(data), None
        except FramingError as error:
            log.warning("bad frame from %s: %s", self.peer.node, error)
            return error.frames, "bad frame"

    async def _hand_over(self, frames: list[bytes]) -> None:
        entries = self._lines.read(frames, datetime.now(UTC))
        if self._lines.forged > self._forged:
            metrics.FORGED.inc(self._lines.forged - self._forged)
            self._forged = self._lines.forged
        self._read += len(frames)
        self._settled.clear()
        size = sum(map(len, frames)) * 2 + ENTRY_OVERHEAD * len(frames)
        await self._store.put(Chunk(entries, size, self._on_committed))

    def _on_committed(self, count: int) -> None:
        self._committed += count
        if self._committed == self._read:
            self._settled.set()
        self._moved.set()

    async def _send_acks(self) -> None:
        """Tell the client how many frames are committed, whenever that is more."""
        sent = 0
        while True:
            await self._moved.wait()
            self._moved.clear()
            if self._committed == sent:
                continue
            sent = self._committed
            try:
                self._writer.write(encode_ack(sent))
                async with asyncio.timeout(self._settings.ack_seconds):
                    await self._writer.drain()
            except TimeoutError:
                self.abort("acknowledgements not read")
                return
            except OSError:
                return

    async def _last_acks(self) -> None:
        """Wait until all that was read is committed, and give the acknowledgement its turn."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._settings.drain_seconds):
                await self._settled.wait()
        await asyncio.sleep(0)
