"""What is said to the listener: copies and reports out, answers in, one at a time."""

from __future__ import annotations

import asyncio
import sqlite3

from decnet_events.framing import FrameDecoder, FramingError
from decnet_events.transfer import ALPN_ARTIFACT, MAX_REPLY, Reply, TransferError, parse_reply
from decnet_node.collector.index import Waiting
from decnet_node.collector.metrics import Metrics
from decnet_node.collector.settings import CollectorSettings
from decnet_node.collector.store import Store
from decnet_node.collector.talk import Talk
from decnet_node.connection import Connection
from decnet_node.tasks import first_of, is_set_within
from decnet_node.tls import LinkError

_SMALL_PER_SLICE = 32
_IDLE_SECONDS = 1.0
_REPLIES_AHEAD = 64


class Upload:
    """Keeps one connection up and sends what waits in `store` over it. Set `filled` when that is more."""

    def __init__(self, settings: CollectorSettings, store: Store, metrics: Metrics) -> None:
        self._settings = settings
        self._store = store
        self._metrics = metrics
        self._connection = Connection(
            settings, ALPN_ARTIFACT, (FramingError, TransferError, sqlite3.Error), metrics.reconnects
        )
        self._turns = {False: "", True: ""}
        self._slicing: int | None = None
        self.filled = asyncio.Event()

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
        replies: asyncio.Queue[Reply] = asyncio.Queue(_REPLIES_AHEAD)
        talk = Talk(self._store, self._metrics, writer, lambda: self._answer(replies))
        try:
            await first_of(self._send(talk), _receive(reader, replies))
        finally:
            self._store.sent_no_more()

    async def _answer(self, replies: asyncio.Queue[Reply]) -> Reply:
        try:
            async with asyncio.timeout(self._settings.reply_seconds):
                reply = await replies.get()
        except TimeoutError:
            raise LinkError(f"no answer for {self._settings.reply_seconds:g} s") from None
        self._connection.heard()
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
            await is_set_within(self.filled, _IDLE_SECONDS)

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


async def _receive(reader: asyncio.StreamReader, replies: asyncio.Queue[Reply]) -> None:
    decoder = FrameDecoder(MAX_REPLY)
    while data := await reader.read(1 << 14):
        for frame in decoder.feed(data):
            await replies.put(parse_reply(frame))
    raise LinkError("closed by the listener")
