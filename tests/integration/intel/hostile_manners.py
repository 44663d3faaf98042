"""Clients that speak the protocol, but not as they should: slowly, again, too much, or not to the end."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from hostile_lab import LIMITS, Target
from hostile_streams import Wire
from intel_lab import Pair, client_context, connected, event_line, eventually

from decnet_events.framing import ALPN_ACKNOWLEDGED, encode_frame


@dataclass(frozen=True)
class Manner:
    """`behave` misbehaves as a node and asserts what became of it."""

    name: str
    behave: Callable[[Target, str], Awaitable[None]]


def _context(target: Target, node: str, *, alpn: bool = True) -> ssl.SSLContext:
    return client_context(target.lab.ca.file, target.enrol(node), alpn=alpn)


def _slow(name: str, start: bytes, drip: bytes = b"") -> Manner:
    """Sends `start`, then one byte of `drip` after the other; is to be cut off, and nothing stored."""

    async def behave(target: Target, node: str) -> None:
        async with connected(target.lab.port, _context(target, node)) as sender:
            began = time.monotonic()
            await sender.send(start)

            async def send_slowly() -> None:
                with contextlib.suppress(OSError):
                    for byte in drip:
                        await sender.send(bytes([byte]))
                        await asyncio.sleep(0.1)

            dripping = asyncio.create_task(send_slowly())
            assert await sender.closed(8)
            assert time.monotonic() - began >= LIMITS["frame_seconds"] * 0.9
            dripping.cancel()
            await asyncio.gather(dripping, return_exceptions=True)
        assert target.rows(node) == []

    return Manner(name, behave)


async def _replay(target: Target, node: str) -> None:
    """The same session three times, the last one with other texts under the same identities."""
    context = _context(target, node)
    session = [Wire(node).line(n, event_line(str(n))) for n in range(100)]
    forged = [Wire(node).line(n, event_line("changed")) for n in range(100)]
    for frames in (session, session, forged):
        async with connected(target.lab.port, context) as sender:
            await sender.send(*frames)
            await sender.acks(100)
    assert [row["message"] for row in target.rows(node)] == [str(n) for n in range(100)]


async def _same_identity_in_one_batch(target: Target, node: str) -> None:
    async with connected(target.lab.port, _context(target, node)) as sender:
        await sender.send(*(Wire(node).line(7, event_line(str(n))) for n in range(50)))
        await sender.acks(50)
    assert [row["message"] for row in target.rows(node)] == ["0"]


async def _tiny_frames(target: Target, node: str) -> None:
    """A million frames of one byte, over several connections: each costs hundreds of times its size."""
    context = _context(target, node)

    async def flood() -> None:
        async with connected(target.lab.port, context) as sender:
            with contextlib.suppress(TimeoutError, OSError):
                async with asyncio.timeout(5):
                    await sender.send(b"1 x" * 250_000)
                    await sender.acks(250_000)

    await asyncio.gather(*(flood() for _ in range(4)))


async def _never_reads(target: Target, node: str) -> None:
    """Its lines are stored and nothing piles up, though no acknowledgement is ever read."""
    context = _context(target, node)
    frames = [Wire(node).line(n, event_line(str(n))) for n in range(3000)]
    with socket.socket() as plain:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        plain.connect(("127.0.0.1", target.lab.port))
        with context.wrap_socket(plain, server_hostname="localhost") as tls:
            await asyncio.to_thread(tls.sendall, b"".join(frames))
            await eventually(lambda: len(target.rows(node)) == 3000, "all lines are stored", 30)


async def _half_close(target: Target, node: str) -> None:
    """No more bytes will come, without TLS saying so: what was sent whole is stored, the rest is not."""
    context = _context(target, node)
    with socket.create_connection(("127.0.0.1", target.lab.port)) as plain:
        tls = context.wrap_socket(plain, server_hostname="localhost")
        tls.sendall(Wire(node).line(1, "whole") + Wire(node).line(2, "half")[:-1])
        tls.shutdown(socket.SHUT_WR)
        tls.settimeout(5)
        with contextlib.suppress(OSError):
            while await asyncio.to_thread(tls.recv, 4096):
                pass
        tls.close()
    await eventually(lambda: [row["raw"] for row in target.rows(node)] == ["whole"], "one line")


async def _reset(target: Target, node: str) -> None:
    """Gone in the middle of a frame, with a reset."""
    async with connected(target.lab.port, _context(target, node)) as sender:
        await sender.send(Wire(node).line(1, "whole"))
        await sender.acks(1)
        await sender.send(Wire(node).line(2, "half")[:-1])
        sender.writer.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0"
        )
    assert [row["raw"] for row in target.rows(node)] == ["whole"]


async def _key_updates(target: Target, node: str) -> None:
    """TLS 1.3 has no renegotiation; asking for new keys without end is what is left of it."""
    pair = target.enrol(node)
    child = await _openssl(target, pair, "-alpn", ALPN_ACKNOWLEDGED)
    assert child.stdin is not None
    with contextlib.suppress(OSError):
        for command in (b"K\n" * 50, b"k\n" * 50, b"R\n"):
            child.stdin.write(command)
            await child.stdin.drain()
            await asyncio.sleep(0.3)
    with contextlib.suppress(ProcessLookupError):
        child.kill()
    await child.communicate()


async def _early_data(target: Target, node: str) -> None:
    """No ticket is given, so there is nothing to resume and no early data to replay."""
    child = await _openssl(target, target.enrol(node), "-sess_out", str(target.lab.ca.folder / "session"))
    await asyncio.sleep(1)
    child.kill()
    text, _ = await child.communicate()
    assert b"Verify return code: 0" in text
    assert b"New Session Ticket" not in text
    assert not (target.lab.ca.folder / "session").exists()


async def _openssl(target: Target, pair: Pair, *options: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        "openssl", "s_client", "-connect", f"127.0.0.1:{target.lab.port}", "-CAfile", str(target.lab.ca.file),
        "-cert", str(pair.cert), "-key", str(pair.key), "-servername", "localhost", *options,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip


def _alpn(name: str, offered: list[str], *, acknowledged: bool) -> Manner:
    """Whatever is offered beside it, only the exact protocol name brings acknowledgements."""

    async def behave(target: Target, node: str) -> None:
        context = _context(target, node, alpn=False)
        context.set_alpn_protocols(offered)
        async with connected(target.lab.port, context) as sender:
            await sender.send(encode_frame(b"hello"))
            if acknowledged:
                await sender.acks(1)
            else:
                assert not await sender.closed(0.3)
            await eventually(lambda: len(target.rows(node)) == 1, "the line is stored")
        assert target.rows(node)[0]["acknowledged"] is acknowledged

    return Manner(name, behave)


def _without_tls(name: str, data: bytes) -> Manner:
    """Not TLS at all, or never finished: cut off, at the latest when the time for a handshake is over."""

    async def behave(target: Target, node: str) -> None:  # noqa: ARG001
        reader, writer = await asyncio.open_connection("127.0.0.1", target.lab.port)
        try:
            async with asyncio.timeout(LIMITS["handshake_seconds"] + 8):
                with contextlib.suppress(OSError):
                    writer.write(data)
                    await writer.drain()
                    while await reader.read(4096):
                        pass
        finally:
            writer.transport.abort()

    return Manner(name, behave)


async def _withdrawn(target: Target, node: str) -> None:
    """Its pin goes while it is connected, and a stranger's knocking makes the listener look first."""
    stranger = client_context(target.lab.ca.file, target.lab.ca.issue(f"{node}-stranger"))
    async with connected(target.lab.port, _context(target, node)) as sender:
        await sender.send(Wire(node).line(1, "before"))
        await sender.acks(1)
        target.lab.pin(node, None, notify=False)
        for _ in range(3):
            with contextlib.suppress(OSError):
                async with connected(target.lab.port, stranger) as other:
                    await other.closed(1)
        assert await sender.closed(4)
    assert [row["raw"] for row in target.rows(node)] == ["before"]


async def _replaced(target: Target, node: str) -> None:
    """A new certificate is pinned: the connection with the old one ends at once."""
    async with connected(target.lab.port, _context(target, node)) as sender:
        await sender.send(Wire(node).line(1, "before"))
        await sender.acks(1)
        target.lab.pin(node, target.lab.ca.issue(node).sha256)
        assert await sender.closed(2)


async def _too_many_connections(target: Target, node: str) -> None:
    """One node, thirty connections: it keeps its own newest, and takes nobody else's place."""
    context = _context(target, node)
    async with contextlib.AsyncExitStack() as stack:
        senders = [await stack.enter_async_context(connected(target.lab.port, context)) for _ in range(30)]
        await senders[-1].send(Wire(node).line(1, "newest"))
        await senders[-1].acks(1)
        assert await senders[0].closed()


async def _too_many_nodes(target: Target, node: str) -> None:
    """More connections than there may be: those that are in stay, the others are refused."""
    refused = 0
    async with contextlib.AsyncExitStack() as stack:
        for n in range(LIMITS["max_connections"] + 2):
            sender = await stack.enter_async_context(
                connected(target.lab.port, _context(target, f"{node}-{n}"))
            )
            try:
                await sender.send(Wire(f"{node}-{n}").line(1, "in"))
                await sender.acks(1)
            except OSError:
                refused += 1
    assert 1 <= refused <= 3  # the bystander has its place


async def _silent_handshakes(target: Target, node: str) -> None:
    """Hundreds of connections that never say a word: a node still comes in among them."""
    with contextlib.ExitStack() as stack:
        for _ in range(LIMITS["max_handshakes"] * 5):
            stack.enter_context(socket.create_connection(("127.0.0.1", target.lab.port)))
        began = time.monotonic()
        async with connected(target.lab.port, _context(target, node)) as sender:
            await sender.send(Wire(node).line(1, "in"))
            await sender.acks(1)
        assert time.monotonic() - began < LIMITS["handshake_seconds"]


HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"

MANNERS = (
    _slow("silence-after-a-length", b"5000 abc"),
    _slow("silence-within-a-length", b"50"),
    _slow("a-byte-at-a-time", b"", b"500 " + b"a" * 400),
    _slow("the-largest-length-and-silence", b"266240 "),
    Manner("replayed-session", _replay),
    Manner("one-identity-fifty-times", _same_identity_in_one_batch),
    Manner("a-million-tiny-frames", _tiny_frames),
    Manner("never-reads", _never_reads),
    Manner("half-close", _half_close),
    Manner("reset-within-a-frame", _reset),
    Manner("endless-key-updates", _key_updates),
    Manner("resumption", _early_data),
    _alpn("alpn-of-the-web", ["h2", "http/1.1"], acknowledged=False),
    _alpn("alpn-in-other-letters", ["SYSLOG-ACK", "syslog-ack\0", "syslog"], acknowledged=False),
    _alpn("alpn-last-of-many", [f"p{n}" for n in range(200)] + [ALPN_ACKNOWLEDGED], acknowledged=True),
    _without_tls("plaintext-syslog", b"40 <134>1 - h a - connect - not encrypted at all"),
    _without_tls("half-a-client-hello", HELLO),
    _without_tls("a-record-that-is-too-long", b"\x16\x03\x01\xff\xff" + b"A" * 65535),
    _without_tls("endless-handshake-records", b"\x16\x03\x01\x00\x04\x01\xff\xff\xff" * 200_000),
    _without_tls("random-bytes", bytes(range(256)) * 4000),
    Manner("pin-withdrawn", _withdrawn),
    Manner("pin-replaced", _replaced),
    Manner("too-many-connections-of-a-node", _too_many_connections),
    Manner("too-many-nodes", _too_many_nodes),
    Manner("silent-handshakes", _silent_handshakes),
)
