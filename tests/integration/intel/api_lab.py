"""The real application on a real socket, and events put straight into the tables."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg
import uvicorn
from intel_lab import eventually

from decnet_events.envelope import Envelope, format_envelope
from decnet_events.rfc5424 import Line, format_line, format_timestamp
from decnet_intel.api.app import create_app
from decnet_intel.database import connect
from decnet_intel.listener.store import Store
from decnet_intel.repository.entries import Row, entry_of
from decnet_intel.service.lines import LineReader
from decnet_intel.settings import ApiSettings
from lab.postgres import free_port

FIRST = "first-password-of-admin"
CHOSEN = "Correct-Horse-42-Battery"


@dataclass
class Api:
    """A running API and a client for it."""

    settings: ApiSettings
    client: httpx.AsyncClient
    server: uvicorn.Server

    async def login(self, password: str = FIRST, username: str = "admin") -> httpx.Response:
        return await self.client.post("/api/v1/auth/login", json={"username": username, "password": password})

    async def enter(self) -> None:
        """Log in, change the password, and carry the token from here on."""
        first = (await self.login()).json()["access_token"]
        answer = await self.client.post(
            "/api/v1/auth/change-password",
            json={"old_password": FIRST, "new_password": CHOSEN},
            headers=bearer(first),
        )
        assert answer.status_code == 200, answer.text
        self.client.headers.update(bearer(answer.json()["access_token"]))


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@contextlib.asynccontextmanager
async def serving(url: str, **changes: Any) -> AsyncIterator[Api]:
    """The API on a loopback port."""
    settings = ApiSettings(
        database_url=url,  # type: ignore[arg-type]
        host="127.0.0.1",
        port=free_port(),
        jwt_secret="x" * 40,  # type: ignore[arg-type]
        admin_password=FIRST,  # type: ignore[arg-type]
        **changes,
    )
    app = create_app(settings)
    config = uvicorn.Config(
        app, host=settings.host, port=settings.port, log_config=None, access_log=False, proxy_headers=False,
        timeout_graceful_shutdown=3,
    )  # fmt: skip
    server = uvicorn.Server(config)
    server.capture_signals = contextlib.nullcontext  # type: ignore[assignment,method-assign]
    task = asyncio.create_task(server.serve())
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{settings.port}", timeout=20) as client:
            await eventually(lambda: server.started, "the API is started")
            await eventually(lambda: _seeded(url), "the admin is made")
            yield Api(settings, client, server)
    finally:
        app.state.decnet.wake.close()
        server.should_exit = True
        await task


async def _seeded(url: str) -> bool:
    async with await psycopg.AsyncConnection.connect(url) as connection:
        return bool(await (await connection.execute("select 1 from users")).fetchone())


_offset = iter(range(1, 1_000_000))


def row(
    message: str = "", event_id: str = "connect", *, decky: str = "web-front", service: str = "ssh",
    node: str = "node-1", at: dt.datetime | None = None, **fields: str,
) -> Row:  # fmt: skip
    """A row as the listener would make it."""
    when = at or dt.datetime.now(dt.UTC)
    line = format_line(Line("web01", service, event_id, fields, message, when))
    it = Envelope(
        "decnet", decky, f"uid-{decky}", service, "gen", next(_offset), format_timestamp(when), "stdout",
        False, node, line,
    )  # fmt: skip
    return LineReader(node, "none", acknowledged=True).read(format_envelope(it), when)


async def store(settings: ApiSettings, *rows: Row) -> None:
    """Commit `rows` as the listener does."""
    async with await connect(settings, "test") as connection:
        it = Store(connection, 30)
        await it.open()
        await it.save([entry_of(row) for row in rows])


class Stream:
    """Reads server-sent events in the background, so that waiting for one can be given up."""

    def __init__(self, response: httpx.Response) -> None:
        self._response = response
        self._events: asyncio.Queue[tuple[str, dict[str, Any]] | None] = asyncio.Queue()
        self.last_id = ""
        self.first_id = ""
        self.comments: list[str] = []

    async def read(self) -> None:
        """Until the server ends it."""
        position = kind = ""
        async for line in self._response.aiter_lines():
            name, _, value = line.partition(": ")
            if name == "id":
                position = value
                self.first_id = self.first_id or value
            elif name == "event":
                kind = value
            elif name == "data":
                assert kind == "event"
                self._events.put_nowait((position, json.loads(value)))
            elif line.startswith(":"):
                self.comments.append(line)
        self._events.put_nowait(None)

    async def next(self, seconds: float = 10) -> dict[str, Any]:
        """The data of the next event. Raises TimeoutError, or EOFError at the end."""
        async with asyncio.timeout(seconds):
            item = await self._events.get()
        if item is None:
            raise EOFError
        self.last_id = item[0]
        return item[1]


@contextlib.asynccontextmanager
async def streaming(api: Api, **headers: str) -> AsyncIterator[Stream]:
    """An open event stream; `last_event_id` resumes."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    async with api.client.stream("GET", "/api/v1/stream", headers=sent) as response:
        assert response.status_code == 200, await response.aread()
        assert response.headers["content-type"].startswith("text/event-stream")
        stream = Stream(response)
        reading = asyncio.create_task(stream.read())
        try:
            await eventually(lambda: stream.first_id, "the stream's first id")
            yield stream
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)


def dashboard(folder: Path) -> Path:
    """A built dashboard in miniature."""
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html><title>DECNET</title>")
    (folder / "assets" / "app-1234.js").write_text("console.log(1)")
    return folder
