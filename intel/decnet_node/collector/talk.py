"""What is said on one connection: decnet_events.transfer has the rules."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
from collections.abc import Awaitable, Callable

from decnet_events.framing import encode_frame
from decnet_events.transfer import (
    MAX_DATA,
    WINDOW,
    At,
    Data,
    Lost,
    Noted,
    Refused,
    Reply,
    Request,
    Stored,
    TransferError,
    encode,
)
from decnet_node.collector.index import Waiting
from decnet_node.collector.metrics import Metrics
from decnet_node.collector.store import Store

log = logging.getLogger(__name__)

SLICE = 4 * 1024 * 1024
"""Bytes of a big copy that are sent before others have a turn."""

_MAX_TRIES = 5


class _DamagedError(Exception):
    """The copy on our disk is not what it was."""


class Talk:
    """One connection. `answer` gives the next reply; everything it raises ends the connection."""

    def __init__(
        self,
        store: Store,
        metrics: Metrics,
        writer: asyncio.StreamWriter,
        answer: Callable[[], Awaitable[Reply]],
    ) -> None:
        self._store = store
        self._metrics = metrics
        self._writer = writer
        self._answer = answer

    async def tell(self, lost: Lost) -> None:
        """Report a loss, and forget it once it is recorded. Raises TransferError."""
        await self._say(lost)
        match await self._answer():
            case Noted(number) if number == lost.id:
                self._metrics.told.inc()
            case Refused(reason):  # it will not be taken at another time either
                log.error("report %s was refused: %s", lost, reason)
                self._metrics.refused.inc()
            case reply:
                raise TransferError(f"{reply} answers a report")
        await asyncio.to_thread(self._store.noted, lost)

    async def send(self, copy: Waiting) -> bool:
        """Send a copy, or a slice of a big one; whether it is dealt with. Raises TransferError."""
        await self._say(copy.offer)
        reply = await self._answer()
        try:
            if isinstance(reply, At):
                reply = await self._send_from(copy, reply.offset)
        except _DamagedError:
            await asyncio.to_thread(self._store.drop, copy, "corrupt")
            raise TransferError(f"the copy of {copy.offer.name} is damaged") from None
        match reply:
            case At():
                return False
            case Stored(sha256) if sha256 == copy.offer.sha256:
                await asyncio.to_thread(self._store.forget, copy)
                self._metrics.stored.inc()
            case Refused("mismatch"):
                await self._mismatch(copy)
            case Refused(reason):
                await asyncio.to_thread(self._store.drop, copy, reason)
            case _:
                raise TransferError(f"{reply} answers an offer")
        return True

    async def _send_from(self, copy: Waiting, offset: int) -> Reply:
        """The answer to the last byte, or the acknowledgement of the last one of this slice."""
        size = copy.offer.size
        if offset >= size:
            raise TransferError(f"{offset} of {size} bytes are there and it is not stored")
        end = min(size, offset + SLICE)
        try:
            content = await asyncio.to_thread(self._store.open_content, copy)
        except OSError as error:
            raise _DamagedError from error
        try:
            sent = noted = offset
            while True:
                while sent < end and sent - noted < WINDOW:
                    sent += await self._send_piece(
                        content, sent, min(MAX_DATA, end - sent, noted + WINDOW - sent)
                    )
                reply = await self._answer()
                if not isinstance(reply, At):
                    if isinstance(reply, Stored) and sent < size:
                        raise TransferError("stored before all of it was sent")
                    return reply
                if not noted <= reply.offset <= sent:
                    raise TransferError(f"{reply} after {noted} of {sent} bytes")
                noted = reply.offset
                if noted == end < size:
                    return reply
        finally:
            os.close(content)

    async def _send_piece(self, content: int, offset: int, limit: int) -> int:
        try:
            piece = await asyncio.to_thread(os.pread, content, limit, offset)
        except OSError as error:
            raise _DamagedError from error
        if not piece:
            raise _DamagedError
        await self._say(Data(piece))
        self._metrics.sent_bytes.inc(len(piece))
        return len(piece)

    async def _mismatch(self, copy: Waiting) -> None:
        """The bytes that arrived are not those offered: our copy may be damaged, or it was on the way."""
        if await asyncio.to_thread(self._is_damaged, copy):
            await asyncio.to_thread(self._store.drop, copy, "corrupt")
        elif copy.tries + 1 >= _MAX_TRIES:
            await asyncio.to_thread(self._store.drop, copy, "mismatch")
        else:
            await asyncio.to_thread(self._store.tried, copy)

    def _is_damaged(self, copy: Waiting) -> bool:
        try:
            content = self._store.open_content(copy)
            with os.fdopen(content, "rb", buffering=0) as file:
                return hashlib.file_digest(file, "sha256").hexdigest() != copy.offer.sha256
        except OSError:
            return True

    async def _say(self, request: Request) -> None:
        self._writer.write(encode_frame(encode(request)))
        await self._writer.drain()
