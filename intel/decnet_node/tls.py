"""The node's side of mutual TLS with the listener; what forwarder and collector have in common."""

from __future__ import annotations

import asyncio
import socket
import ssl
from pathlib import Path

_CONNECT_SECONDS = 10.0
_DEAD_PEER_MS = 30_000
_READ_AHEAD = 1 << 16


class LinkError(ConnectionError):
    """The listener cannot be used now; the message says why."""


def client_context(tls_dir: Path, alpn: str) -> ssl.SSLContext:
    """TLS 1.3 only, our certificate, the CA that the listener's must come from.

    Raises OSError (ssl.SSLError is one) while the files are missing, unreadable or do not fit together.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    try:
        context.load_verify_locations(tls_dir / "ca.crt")
        context.load_cert_chain(tls_dir / "tls.crt", tls_dir / "tls.key")
    except FileNotFoundError as error:
        raise LinkError(
            f"this node has no certificate yet: no tls.key, tls.crt and ca.crt in {tls_dir}"
        ) from error
    context.set_alpn_protocols([alpn])
    return context


def certificate_stamp(tls_dir: Path) -> tuple[tuple[int, int, int], ...]:
    """Changes whenever one of the TLS files is replaced."""
    stamp = []
    for name in ("tls.key", "tls.crt", "ca.crt"):
        try:
            status = (tls_dir / name).stat()
            stamp.append((status.st_ino, status.st_mtime_ns, status.st_size))
        except OSError:
            stamp.append((0, 0, 0))
    return tuple(stamp)


async def connect(
    address: tuple[str, int], server_name: str, tls_dir: Path, alpn: str
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection to the listener on which both sides agreed on `alpn`; a peer that vanishes is noticed.

    Raises OSError (LinkError, ssl.SSLError and TimeoutError are ones).
    """
    context = client_context(tls_dir, alpn)
    host, port = address
    async with asyncio.timeout(_CONNECT_SECONDS):
        reader, writer = await asyncio.open_connection(
            host, port, ssl=context, server_hostname=server_name, limit=_READ_AHEAD
        )
    if writer.get_extra_info("ssl_object").selected_alpn_protocol() != alpn:
        writer.transport.abort()
        raise LinkError(f"the listener does not speak {alpn} (ALPN)")
    plain = writer.get_extra_info("socket")
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _DEAD_PEER_MS)
    return reader, writer
