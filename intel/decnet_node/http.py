"""A tiny HTTP server for /healthz, /readyz and /metrics: GET only, one request a connection.

Not a web framework, because the forwarder has to stay small and these pages are all it serves.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

Check = Callable[[], Sequence[str]]
"""What is wrong right now, as sentences; empty when all is well."""

_REQUEST_SECONDS = 5.0
_MAX_REQUEST = 8192


class StatusServer:
    """Serves the state of one component.

    `alive` decides /healthz (restart me), `ready` decides /readyz (do not count on me yet); both
    answer 503 with the sentences when there are any.
    """

    def __init__(self, registry: CollectorRegistry, alive: Check, ready: Check) -> None:
        self._registry = registry
        self._checks = {"/healthz": alive, "/readyz": ready}

    @contextlib.asynccontextmanager
    async def serving(self, host: str, port: int) -> AsyncIterator[int]:
        """Serve while inside; gives the port. Raises OSError when it is taken."""
        server = await asyncio.start_server(self._handle, host, port, limit=_MAX_REQUEST)
        try:
            yield int(server.sockets[0].getsockname()[1])
        finally:
            server.close()
            await server.wait_closed()

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(
            OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError
        ):
            request = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), _REQUEST_SECONDS)
            writer.write(self._answer(request))
            await asyncio.wait_for(writer.drain(), _REQUEST_SECONDS)
        writer.close()
        with contextlib.suppress(OSError, TimeoutError):
            await asyncio.wait_for(writer.wait_closed(), _REQUEST_SECONDS)

    def _answer(self, request: bytes) -> bytes:
        words = request.split(b"\r\n", 1)[0].split(b" ")
        path = words[1].split(b"?", 1)[0].decode("ascii", "replace") if len(words) == 3 else ""
        if words[0] not in (b"GET", b"HEAD"):
            return _response(405, "text/plain", b"only GET\n")
        if path == "/metrics":
            return _response(200, CONTENT_TYPE_LATEST, generate_latest(self._registry))
        check = self._checks.get(path)
        if check is None:
            return _response(404, "text/plain", b"/healthz /readyz /metrics\n")
        wrong = check()
        text = "".join(f"{sentence}\n" for sentence in wrong) or "ok\n"
        return _response(503 if wrong else 200, "text/plain", text.encode())


def _response(status: int, content_type: str, body: bytes) -> bytes:
    reason = {200: "OK", 404: "Not Found", 405: "Method Not Allowed", 503: "Service Unavailable"}[status]
    return (
        f"HTTP/1.1 {status} {reason}\r\nContent-Type: {content_type}\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    ).encode() + body
