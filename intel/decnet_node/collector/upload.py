"""The connection to the listener: copies and reports out, answers in, one at a time."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import sqlite3

from decnet_events.framing import FrameDecoder, FramingError
from decnet_events.transfer import ALPN_ARTIFACT, MAX_REPLY, Reply, TransferError, parse_reply
from decnet_node.collector.index import Waiting
from decnet_node.collector.metrics import Metrics
from decnet_node.collector.settings import CollectorSettings
from decnet_node.collector.store import Store
from decnet_node.collector.talk import Talk
from decnet_node.tasks import first_of
from decnet_node.tls import LinkError, certificate_stamp, connect

log = logging.getLogger(__name__)

_SMALL_PER_SLICE = 32
_IDLE_SECONDS = 1.0
_REPLIES_AHEAD = 64
_FIRST_BACKOFF_SECONDS = 0.1
_CERTIFICATE_CHECK_SECONDS = 1.0


class Upload:
    """Keeps one connection up and sends what waits in `store` over it. Set `filled` when that is more."""

    def __init__(self, settings: CollectorSettings, store: Store, metrics: Metrics) -> None:
        self._settings = settings
        self._store = store
        self._metrics = metrics
        self._backoff = _FIRST_BACKOFF_SECONDS
        self._told = ""
        self._turns = {False: "", True: ""}
        self._slicing: int | None = None
        self.filled = asyncio.Event()
        self.connected = False
        self.problem = "not connected yet"

    async def run(self) -> None:
        """Connect, and again with growing pauses, for ever."""
        while True:
            try:
                await self._session()
            except (OSError, FramingError, TransferError, sqlite3.Error) as error:
                problem = str(error) or type(error).__name__
                if problem != self._told:  # once, not at every attempt
                    log.warning("listener %s: %s", self._settings.listener, problem)
                self.problem = self._told = problem
            finally:
                self.connected = False
                self._store.sent_no_more()
            self._metrics.reconnects.inc()
            pause = self._backoff * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, guards nothing
            self._backoff = min(self._backoff * 2, self._settings.backoff_seconds)
            await asyncio.sleep(pause)

    async def _session(self) -> None:
        settings = self._settings
        stamp = certificate_stamp(settings.tls_dir)
        reader, writer = await connect(
            settings.listener_address, settings.server_name, settings.tls_dir, ALPN_ARTIFACT
        )
        try:
            self.connected = True
            self.problem = ""
            log.info("connected to %s", settings.listener)
            replies: asyncio.Queue[Reply] = asyncio.Queue(_REPLIES_AHEAD)
            talk = Talk(self._store, self._metrics, writer, lambda: self._answer(replies))
            await first_of(self._send(talk), _receive(reader, replies), self._watch(stamp))
        finally:
            writer.transport.abort()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _answer(self, replies: asyncio.Queue[Reply]) -> Reply:
        try:
            async with asyncio.timeout(self._settings.reply_seconds):
                reply = await replies.get()
        except TimeoutError:
            raise LinkError(f"no answer for {self._settings.reply_seconds:g} s") from None
        self._backoff = _FIRST_BACKOFF_SECONDS
        self._told = ""
        return reply

    async def _send(self, talk: Talk) -> None:
        """Reports and small copies, decky by decky; then a slice of a big one; and again."""
        while True:
            self.filled.clear()
            busy = False
            for _ in range(_SMALL_PER_SLICE):
                if not (await self._send_loss(talk) | await self._send_next(talk, big=False)):
                    break
                busy = True
            if await self._send_next(talk, big=True) or busy:
                continue
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.filled.wait(), _IDLE_SECONDS)

    async def _send_loss(self, talk: Talk) -> bool:
        lost = await asyncio.to_thread(self._store.loss_to_tell)
        if lost is not None:
            await talk.tell(lost)
        return lost is not None

    async def _send_next(self, talk: Talk, *, big: bool) -> bool:
        """A small copy or a slice of a big one; False when there is none."""
        copy: Waiting | None = None
        if big and self._slicing is not None:
            copy = await asyncio.to_thread(self._store.again, self._slicing)
        if copy is None:
            copy = await asyncio.to_thread(self._store.next_turn, big, self._turns[big])
        if copy is None:
            return False
        # Said before it is tried: one that breaks the connection must not be the next one again.
        self._turns[big] = copy.decky
        self._slicing = None
        if not await talk.send(copy):
            self._slicing = copy.id
        return True

    async def _watch(self, stamp: object) -> None:
        """Ends the session when the certificates were replaced."""
        while True:
            await asyncio.sleep(_CERTIFICATE_CHECK_SECONDS)
            if certificate_stamp(self._settings.tls_dir) != stamp:
                raise LinkError("certificates replaced, connecting anew")


async def _receive(reader: asyncio.StreamReader, replies: asyncio.Queue[Reply]) -> None:
    decoder = FrameDecoder(MAX_REPLY)
    while data := await reader.read(1 << 14):
        for frame in decoder.feed(data):
            await replies.put(parse_reply(frame))
    raise LinkError("closed by the listener")
