"""/healthz, /readyz and /metrics of a process that serves nothing else over HTTP."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator

import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

Check = Callable[[], list[str]]
"""What is wrong right now, as sentences; empty when nothing is."""


class _Quiet(uvicorn.Server):
    """Leaves signals to the process it is part of."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _application(ready: Check) -> Starlette:
    def healthz(_: Request) -> Response:
        return Response("ok\n", media_type="text/plain")

    def readyz(_: Request) -> Response:
        problems = ready()
        text = "".join(f"{problem}\n" for problem in problems) or "ok\n"
        return Response(text, 503 if problems else 200, media_type="text/plain")

    def metrics(_: Request) -> Response:
        return Response(generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    paths = {"/healthz": healthz, "/readyz": readyz, "/metrics": metrics}
    return Starlette(routes=[Route(path, endpoint) for path, endpoint in paths.items()])


@contextlib.asynccontextmanager
async def serve_status(host: str, port: int, ready: Check) -> AsyncIterator[int]:
    """Serve within the block; gives the port."""
    config = uvicorn.Config(
        _application(ready), host=host, port=port, log_config=None, access_log=False, lifespan="off"
    )
    server = _Quiet(config)
    task = asyncio.create_task(server.serve())
    try:
        while not server.started:
            if task.done():
                raise OSError(f"cannot serve status on {host}:{port}")
            await asyncio.sleep(0.01)
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        await asyncio.gather(task, return_exceptions=True)
