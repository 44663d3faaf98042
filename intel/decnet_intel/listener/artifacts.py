"""One connection on which a node sends artifacts; `decnet_events.transfer` says how they talk."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from pathlib import Path
from typing import Any

from decnet_events.framing import FrameDecoder, FramingError, encode_frame
from decnet_events.transfer import (
    MAX_REQUEST,
    At,
    Data,
    Lost,
    Noted,
    Offer,
    Refused,
    Reply,
    Stored,
    TransferError,
    encode,
    parse_request,
)
from decnet_intel.artifacts.incoming import BusyError, Incoming, Partial
from decnet_intel.artifacts.store import make_store
from decnet_intel.listener import metrics
from decnet_intel.listener.keeper import GoneError, Keeper, Kept
from decnet_intel.listener.tls import Peer
from decnet_intel.settings import ListenerSettings

READ_BYTES = 512 * 1024
_LOCK_TRIES = 20
_LOCK_PAUSE = 0.25  # seconds between them: an older connection of the node may hold the artifact
_AGE_SECONDS = 600.0  # how often unfinished artifacts are looked through
_NODE = re.compile(r"[!-~]{1,255}", re.ASCII)  # what can stand in an event's envelope

log = logging.getLogger(__name__)


class Artifacts:
    """What the connections of a listener share."""

    def __init__(self, settings: ListenerSettings) -> None:
        self.settings = settings
        self.keeper = Keeper(settings, make_store(settings))
        self.incoming = Incoming(
            Path(settings.artifacts_dir) / "incoming",
            settings.artifacts_partials,
            settings.artifacts_partial_bytes,
        )

    async def run(self) -> None:
        """Drop what has been unfinished for too long, until cancelled."""
        try:
            while True:
                with contextlib.suppress(OSError):
                    seconds = self.settings.artifacts_partial_seconds
                    dropped = await asyncio.to_thread(self.incoming.drop_older_than, seconds)
                    if dropped:
                        log.info("dropped %d unfinished artifacts", dropped)
                await asyncio.sleep(_AGE_SECONDS)
        finally:
            await self.keeper.close()


class ArtifactConnection:
    """Takes artifacts and reports of losses, one after the other."""

    def __init__(
        self, peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, shared: Artifacts
    ) -> None:
        self.peer = peer
        self._reader = reader
        self._writer = writer
        self._settings = shared.settings
        self._keeper = shared.keeper
        self._incoming = shared.incoming
        self._decoder = FrameDecoder(MAX_REQUEST)
        self._offer: Offer | None = None
        self._partial: Partial | None = None
        self._pieces: list[bytes] = []
        self._ignoring = False
        self._stopped: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def serve(self) -> None:
        """Until the client goes, breaks the rules, or `stop` is called."""
        try:
            if _NODE.fullmatch(self.peer.node):
                await self._serve()
            else:
                self.abort("bad name")
        except GoneError:
            pass
        except TimeoutError:
            self.abort("slow artifact")
        except OSError as error:  # no room, no disk, no connection: nothing was said that is not so
            log.warning("artifact of %s: %s", self.peer.node, error)
            self.abort("artifact not written")
        finally:
            self._leave()
            self._writer.close()
            with contextlib.suppress(OSError):
                await self._writer.wait_closed()

    def stop(self) -> None:
        """Read no more; what is on the disk stays there for the next connection."""
        if not self._stopped.done():
            self._stopped.set_result(None)

    def abort(self, reason: str) -> None:
        """End at once."""
        metrics.REFUSED.labels(reason).inc()
        log.warning("artifact connection of %s ended: %s", self.peer.node, reason)
        self._writer.transport.abort()
        self.stop()

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        deadline: float | None = None
        while not self._stopped.done():
            if deadline is None and (self._decoder.pending or self._partial is not None):
                deadline = loop.time() + self._settings.frame_seconds
            limit = self._settings.idle_seconds if deadline is None else max(0.0, deadline - loop.time())
            data = await self._next_piece(limit)
            if not data:
                return
            try:
                frames = self._decoder.feed(data)
            except FramingError as error:
                log.warning("bad frame from %s: %s", self.peer.node, error)
                self.abort("bad frame")
                return
            for frame in frames:
                await self._take(frame)
            await self._write()
            if frames:
                deadline = None

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

    async def _take(self, frame: bytes) -> None:
        try:
            request = parse_request(frame)
        except TransferError as error:
            log.warning("bad message from %s: %s", self.peer.node, error)
            await self._refuse("invalid")
            return
        if isinstance(request, Data):
            await self._take_data(request.content)
            return
        await self._write()
        if isinstance(request, Offer):
            await self._take_offer(request)
        else:
            await self._take_loss(request)

    async def _take_data(self, content: bytes) -> None:
        if self._ignoring:
            return
        if self._offer is None or self._partial is None:
            await self._refuse("invalid")
            return
        self._pieces.append(content)
        if self._partial.offset + sum(map(len, self._pieces)) > self._offer.size:
            self._pieces.clear()
            await asyncio.to_thread(self._partial.discard)
            await self._refuse("invalid")

    async def _take_loss(self, lost: Lost) -> None:
        await self._keeper.note(self.peer.node, lost, self._is_gone)
        metrics.ARTIFACT_LOSSES.inc()
        log.warning(
            "%s lost %d artifacts of %s/%s: %s",
            self.peer.node, lost.count, lost.namespace, lost.pod, lost.reason,
        )  # fmt: skip
        await self._say(Noted(lost.id))

    async def _take_offer(self, offer: Offer) -> None:
        self._leave()
        self._ignoring = False
        kept = await self._keeper.keep(self.peer.node, offer, None, self._is_gone)
        if kept is not Kept.MISSING:
            await self._answer(offer, kept)
            return
        self._offer = offer
        self._partial = await self._open(offer)
        if self._partial.offset == offer.size:
            await self._finish(offer, self._partial)
        else:
            await self._say(At(self._partial.offset))

    async def _open(self, offer: Offer) -> Partial:
        """The place of the artifact on the disk; waits a little for whoever has it."""
        arguments = (self.peer.node, offer.sha256, offer.size)
        for _ in range(_LOCK_TRIES):
            with contextlib.suppress(BusyError):
                return await asyncio.to_thread(self._incoming.open, *arguments)
            await asyncio.sleep(_LOCK_PAUSE)
        return await asyncio.to_thread(self._incoming.open, *arguments)

    async def _write(self) -> None:
        """Put on the disk what has arrived, say so, and end the artifact when it is whole."""
        if not self._pieces or self._partial is None or self._offer is None:
            return
        pieces, self._pieces = self._pieces, []
        await asyncio.to_thread(self._partial.write, pieces)
        metrics.ARTIFACT_BYTES.inc(sum(map(len, pieces)))
        if self._partial.offset == self._offer.size:
            await self._finish(self._offer, self._partial)
        else:
            await self._say(At(self._partial.offset))

    async def _finish(self, offer: Offer, partial: Partial) -> None:
        """All bytes are there: are they those that were offered?"""
        if not await asyncio.to_thread(partial.matches, offer.sha256):
            await asyncio.to_thread(partial.discard)
            await self._refuse("mismatch")
            return
        await asyncio.to_thread(partial.sync)
        kept = await self._keeper.keep(self.peer.node, offer, partial.path, self._is_gone)
        await asyncio.to_thread(partial.discard)
        await self._answer(offer, kept)

    async def _answer(self, offer: Offer, kept: Kept) -> None:
        if kept is Kept.STORED:
            metrics.ARTIFACTS.labels("stored").inc()
            self._leave()
            await self._say(Stored(offer.sha256))
        else:
            await self._refuse("quota")

    async def _refuse(self, reason: str) -> None:
        """Not this artifact; what is still sent of it is ignored."""
        metrics.ARTIFACTS.labels(reason).inc()
        self._leave()
        self._ignoring = True
        await self._say(Refused(reason))

    async def _say(self, reply: Reply) -> None:
        self._writer.write(encode_frame(encode(reply)))
        async with asyncio.timeout(self._settings.ack_seconds):
            await self._writer.drain()

    def _leave(self) -> None:
        """Leave the artifact as it is on the disk."""
        if self._partial is not None:
            self._partial.close()
        self._pieces.clear()
        self._partial = None
        self._offer = None

    def _is_gone(self) -> bool:
        return self._stopped.done() or self._writer.transport.is_closing() or self._reader.at_eof()
