"""The door: TCP and TLS, how many may come in, and whose certificate is let through."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import socket
import ssl
from typing import cast

from decnet_events.framing import ALPN_ACKNOWLEDGED
from decnet_events.transfer import ALPN_ARTIFACT
from decnet_intel.listener import metrics
from decnet_intel.listener.artifacts import ArtifactConnection, Artifacts
from decnet_intel.listener.connection import Connection
from decnet_intel.listener.pins import Pins
from decnet_intel.listener.tls import Certificate, Peer, peer_of
from decnet_intel.listener.writer import Writer
from decnet_intel.settings import ListenerSettings

_BACKLOG = 128
_STREAM_LIMIT = 256 * 1024  # bytes that asyncio reads ahead for one connection
_KEEPALIVE = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3}  # a vanished node is noticed

AnyConnection = Connection | ArtifactConnection

log = logging.getLogger(__name__)


class Server:
    """Accepts connections of nodes until `drain`."""

    def __init__(
        self,
        settings: ListenerSettings,
        certificate: Certificate,
        pins: Pins,
        store: Writer,
        artifacts: Artifacts,
    ) -> None:
        self._settings = settings
        self._certificate = certificate
        self._pins = pins
        self._store = store
        self._artifacts = artifacts
        self._handshakes: dict[asyncio.Task[None], None] = {}  # the oldest first
        self._connections: list[AnyConnection] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._socket = socket.create_server(
            (settings.host, settings.port),
            family=socket.AF_INET6 if ":" in settings.host else socket.AF_INET,
            backlog=_BACKLOG,
        )
        self._socket.setblocking(False)

    @property
    def port(self) -> int:
        """The port listened on."""
        return int(self._socket.getsockname()[1])

    @property
    def connections(self) -> int:
        """Nodes' connections that are let in."""
        return len(self._connections)

    async def run(self) -> None:
        """Accept until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                client, _ = await loop.sock_accept(self._socket)
            except OSError as error:  # out of file descriptors, or the client was gone already
                log.warning("cannot accept: %s", error)
                await asyncio.sleep(0.1)
                continue
            if self._certificate.context is None:
                client.close()
                continue
            self._give_way()
            task = asyncio.create_task(self._welcome(client))
            self._handshakes[task] = None
            self._tasks.add(task)
            task.add_done_callback(functools.partial(self._ended, client))

    def check_pins(self) -> None:
        """End the connections whose certificate is no longer pinned."""
        for connection in list(self._connections):
            if not self._pins.holds(connection.peer.node, connection.peer.sha256):
                connection.abort("certificate withdrawn")

    async def drain(self) -> None:
        """Let nobody in, read no more, and commit and acknowledge what was read, within the time set."""
        self._socket.close()
        for connection in list(self._connections):
            connection.stop()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._settings.drain_seconds):
                await self._store.drain()
                await asyncio.gather(*self._tasks, return_exceptions=True)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _give_way(self) -> None:
        """When too many handshakes are under way, the oldest ends: a node's takes less time than silence."""
        if len(self._handshakes) >= self._settings.max_handshakes:
            oldest = next(iter(self._handshakes))
            del self._handshakes[oldest]
            oldest.cancel()
            metrics.REFUSED.labels("too many handshakes").inc()

    def _ended(self, client: socket.socket, task: asyncio.Task[None]) -> None:
        client.close()
        self._handshakes.pop(task, None)
        self._tasks.discard(task)

    async def _welcome(self, client: socket.socket) -> None:
        """The handshake, who it is, and the connection."""
        try:
            reader, writer = await self._handshake(client)
        except (OSError, EOFError) as error:  # ssl.SSLError and TimeoutError are OSErrors
            metrics.REFUSED.labels("handshake").inc()
            log.info("handshake failed: %s", error)
            return
        ssl_object: ssl.SSLObject = writer.get_extra_info("ssl_object")
        peer = peer_of(ssl_object)
        try:
            reason = await self._reason_to_refuse(peer)
        except asyncio.CancelledError:
            writer.transport.abort()
            raise
        self._handshakes.pop(cast("asyncio.Task[None]", asyncio.current_task()), None)
        if peer is None or reason is not None:
            metrics.REFUSED.labels(reason or "").inc()
            log.warning("refused %s: %s", peer, reason)
            writer.transport.abort()
            return
        protocol = ssl_object.selected_alpn_protocol()
        if protocol == ALPN_ARTIFACT:
            await self._serve(ArtifactConnection(peer, reader, writer, self._artifacts))
            return
        acknowledged = protocol == ALPN_ACKNOWLEDGED
        await self._serve(
            Connection(peer, reader, writer, self._store, self._settings, acknowledged=acknowledged)
        )

    async def _serve(self, connection: AnyConnection) -> None:
        self._make_room(connection)
        self._connections.append(connection)
        metrics.CONNECTIONS.set(len(self._connections))
        log.info("%s is connected", connection.peer.node)
        try:
            await connection.serve()
        finally:
            self._connections.remove(connection)
            metrics.CONNECTIONS.set(len(self._connections))
            log.info("%s is gone", connection.peer.node)

    async def _handshake(self, client: socket.socket) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        loop = asyncio.get_running_loop()
        client.setblocking(False)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _KEEPALIVE.items():
            client.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
        reader = asyncio.StreamReader(_STREAM_LIMIT, loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
        transport, _ = await loop.connect_accepted_socket(
            lambda: protocol,
            client,
            ssl=self._certificate.context,
            ssl_handshake_timeout=self._settings.handshake_seconds,
            ssl_shutdown_timeout=5,
        )
        return reader, asyncio.StreamWriter(transport, protocol, reader, loop)

    async def _reason_to_refuse(self, peer: Peer | None) -> str | None:
        if peer is None:
            return "no common name"
        if not await self._pins.trusts(peer.node, peer.sha256):
            return "not pinned"
        if len(self._connections) >= self._settings.max_connections:
            return "too many connections"
        return None

    def _make_room(self, newcomer: AnyConnection) -> None:
        """A node that comes again and again has lost its old connections: the oldest of the kind goes."""
        same = [
            connection
            for connection in self._connections
            if connection.peer.node == newcomer.peer.node and type(connection) is type(newcomer)
        ]
        if len(same) >= self._settings.max_connections_per_node:
            same[0].abort("replaced")
