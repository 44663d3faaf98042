"""Listener processes that take artifacts, and a node that sends them over TLS as the rules say."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import hashlib
import os
import random
import signal
import ssl
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from intel_lab import Lab, client_context, eventually, is_ready, make_lab, rows

from decnet_events.framing import FrameDecoder, encode_frame
from decnet_events.transfer import (
    ALPN_ARTIFACT,
    MAX_REPLY,
    WINDOW,
    At,
    Data,
    Lost,
    Noted,
    Offer,
    Refused,
    Reply,
    Request,
    Stored,
    encode,
    parse_reply,
)
from lab.postgres import free_port

UID = "11111111-2222-3333-4444-555555555555"
PIECE = 64 * 1024


def content(size: int, seed: int = 1) -> bytes:
    """`size` bytes that no other seed gives."""
    return random.Random(seed).randbytes(size)


def offer(data: bytes, name: str = "file-none-1", **changes: Any) -> Offer:
    """What a node says of `data`."""
    it = Offer(
        sha256=hashlib.sha256(data).hexdigest(),
        size=len(data),
        namespace="decnet",
        pod="web-front",
        uid=UID,
        container="ssh",
        name=name,
        kind="file",
        modified=dt.datetime.now(dt.UTC),
        cut=False,
    )
    return replace(it, **changes)


def lost(number: int, **changes: Any) -> Lost:
    """A report of a loss."""
    it = Lost(f"{number:032x}", "decnet", "web-front", UID, "ssh", "", "file", 4711, 3, "backlog")
    return replace(it, **changes)


class Node:
    """One connection of a node."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self._decoder = FrameDecoder(MAX_REPLY)
        self._replies: list[Reply] = []

    async def send(self, *messages: Request | bytes) -> None:
        for message in messages:
            body = message if isinstance(message, bytes) else encode(message)
            self.writer.write(encode_frame(body))
        await self.writer.drain()

    async def reply(self, seconds: float = 20) -> Reply:
        """The next answer. Raises ConnectionError at the end of the stream."""
        async with asyncio.timeout(seconds):
            while not self._replies:
                data = await self.reader.read(4096)
                if not data:
                    raise ConnectionError("closed by the listener")
                self._replies += [parse_reply(message) for message in self._decoder.feed(data)]
        return self._replies.pop(0)

    async def ask(self, message: Request | bytes) -> Reply:
        await self.send(message)
        return await self.reply()

    async def upload(self, it: Offer, data: bytes, stop_at: int | None = None) -> Reply | None:
        """Send all of `data` within the window; None when `stop_at` bytes are on the listener's disk."""
        answer = await self.ask(it)
        if not isinstance(answer, At):
            return answer
        acknowledged = at = answer.offset
        while True:
            end = len(data) if stop_at is None else stop_at
            while at < end and at - acknowledged < WINDOW - PIECE:
                piece = data[at : min(at + PIECE, end)]
                await self.send(Data(piece))
                at += len(piece)
            if stop_at is not None and acknowledged >= stop_at:
                return None
            answer = await self.reply()
            if not isinstance(answer, At):
                return answer
            assert acknowledged < answer.offset <= at
            acknowledged = answer.offset

    async def report(self, it: Lost) -> None:
        assert await self.ask(it) == Noted(it.id)

    async def store(self, data: bytes, name: str = "file-none-1", **changes: Any) -> Offer:
        """Upload and expect STORED."""
        it = offer(data, name, **changes)
        assert await self.upload(it, data) == Stored(it.sha256)
        return it

    async def refused(self, data: bytes, name: str, **changes: Any) -> str:
        """Upload and expect REFUSED; the reason."""
        answer = await self.upload(offer(data, name, **changes), data)
        assert isinstance(answer, Refused), answer
        return answer.reason

    async def closed(self, seconds: float = 20) -> bool:
        """Whether the listener ends the connection within `seconds`."""
        try:
            async with asyncio.timeout(seconds):
                while await self.reader.read(65536):
                    pass
        except TimeoutError:
            return False
        except OSError:
            return True
        return True


@dataclass
class Site:
    """Everything that a listener process needs, and where it keeps what."""

    lab: Lab
    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return self.lab.url

    def rows(self, query: str) -> list[dict[str, Any]]:
        return rows(self.url, query)

    def captures(self) -> list[dict[str, Any]]:
        return self.rows("select * from captures order by id")

    def events(self, event_id: str) -> list[dict[str, Any]]:
        return self.rows(f"select * from events where event_id = '{event_id}' order by id")

    def kept(self) -> dict[str, bytes]:
        """The content of the store by name."""
        return {
            path.name: path.read_bytes()
            for path in self.folder.glob("??/*")
            if path.parent.name != "incoming"
        }

    def incoming(self) -> list[Path]:
        """The unfinished ones."""
        return list(self.folder.glob("incoming/*/*"))

    def another(self) -> Site:
        """A second listener on the same folder and database."""
        settings = self.lab.settings.model_copy(update={"port": free_port(), "status_port": free_port()})
        return Site(replace(self.lab, settings=settings), self.folder, self.environment)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[asyncio.subprocess.Process]:
        """The listener as a process of its own, ready; killed at the end of the block."""
        settings = self.lab.settings
        environment = {
            **os.environ,
            "DECNET_DATABASE_URL": self.url,
            "DECNET_LISTENER_HOST": "127.0.0.1",
            "DECNET_LISTENER_PORT": str(settings.port),
            "DECNET_LISTENER_TLS_CERT": str(settings.tls_cert),
            "DECNET_LISTENER_TLS_KEY": str(settings.tls_key),
            "DECNET_LISTENER_TLS_CA": str(settings.tls_ca),
            "DECNET_LISTENER_STATUS_HOST": "127.0.0.1",
            "DECNET_LISTENER_STATUS_PORT": str(settings.status_port),
            "DECNET_ARTIFACTS_DIR": str(self.folder),
            **self.environment,
        }
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "decnet_intel.main", "listener", env=environment
        )
        try:
            await eventually(lambda: is_ready(self.lab), "the listener is ready", 30)
            yield child
        finally:
            with contextlib.suppress(ProcessLookupError):
                child.kill()
            await child.wait()

    @contextlib.asynccontextmanager
    async def node(self, name: str | None = None) -> AsyncIterator[Node]:
        """A connection of a node; another `name` is pinned first."""
        pair = self.lab.pair
        if name is not None:
            pair = self.lab.ca.issue(name)
            self.lab.pin(name, pair.sha256)
        context = client_context(self.lab.ca.file, pair)
        context.set_alpn_protocols([ALPN_ARTIFACT])
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", self.lab.port, ssl=context, server_hostname="localhost"
        )
        tls: ssl.SSLObject = writer.get_extra_info("ssl_object")
        assert tls.selected_alpn_protocol() == ALPN_ARTIFACT
        try:
            yield Node(reader, writer)
        finally:
            writer.transport.abort()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


def make_site(url: str, folder: Path, **environment: object) -> Site:
    """A site; nothing runs yet. `environment` are names after DECNET_ARTIFACTS_, in lower case."""
    variables = {f"DECNET_ARTIFACTS_{name.upper()}": str(value) for name, value in environment.items()}
    return Site(make_lab(url, folder), folder / "artifacts", variables)


async def ends(child: asyncio.subprocess.Process) -> int:
    """The exit status after SIGTERM."""
    child.send_signal(signal.SIGTERM)
    async with asyncio.timeout(15):
        return await child.wait()
