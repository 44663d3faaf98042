"""The mirror, against an HTTP server that lists and watches as the Kubernetes API does."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from intel_lab import eventually, rows
from kubernetes.aio import client

from decnet_intel.database import make_engine
from decnet_intel.process import background
from decnet_intel.settings import WorkerSettings
from decnet_intel.worker.inventory import DeckyMirror, SwarmHostMirror
from decnet_intel.worker.watch import Watcher

Object = dict[str, Any]


class ApiServer:
    """Objects of two kinds, their changes, and faults on demand."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Object]] = {"deckies": {}, "swarmhosts": {}}
        self.version = 10
        self.watches: dict[str, list[asyncio.Queue[Object | None]]] = {"deckies": [], "swarmhosts": []}
        self.watched = 0
        self.fail_with: int | None = None

    def put(self, plural: str, item: Object, *, quietly: bool = False) -> None:
        name = item["metadata"]["name"]
        kind = "MODIFIED" if name in self.objects[plural] else "ADDED"
        self._change(plural, kind, item, quietly)
        self.objects[plural][name] = item

    def drop(self, plural: str, name: str, *, quietly: bool = False) -> None:
        self._change(plural, "DELETED", self.objects[plural].pop(name), quietly)

    def _change(self, plural: str, kind: str, item: Object, quietly: bool) -> None:
        self.version += 1
        item["metadata"]["resourceVersion"] = str(self.version)
        if not quietly:
            self.send(plural, {"type": kind, "object": item})

    def send(self, plural: str, event: Object | None) -> None:
        for queue in self.watches[plural]:
            queue.put_nowait(event)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        plural = request.match_info["plural"]
        if self.fail_with is not None:
            return web.json_response({"kind": "Status", "code": self.fail_with}, status=self.fail_with)
        if request.query.get("watch") in ("true", "True"):
            return await self._watch(request, plural)
        items = list(self.objects[plural].values())
        return web.json_response({"metadata": {"resourceVersion": str(self.version)}, "items": items})

    async def _watch(self, request: web.Request, plural: str) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        queue: asyncio.Queue[Object | None] = asyncio.Queue()
        self.watches[plural].append(queue)
        self.watched += 1
        try:
            while (event := await queue.get()) is not None:
                await response.write(json.dumps(event).encode() + b"\n")
        finally:
            self.watches[plural].remove(queue)
        return response


def host(name: str, sha256: str | None) -> Object:
    certificate = {"sha256": sha256, "notAfter": "2030-01-01T00:00:00Z"} if sha256 else {}
    return {"metadata": {"name": name}, "status": {"certificate": certificate}}


def decky(name: str, ip: str) -> Object:
    return {"metadata": {"namespace": "decnet", "name": name, "uid": name}, "status": {"ip": ip}}


@pytest.fixture
async def server(postgres_url: str) -> AsyncIterator[ApiServer]:
    """The API server, mirrored into Postgres while the test runs."""
    api_server = ApiServer()
    app = web.Application()
    app.router.add_get("/apis/decnet.io/v1alpha1/{plural}", api_server.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    engine = make_engine(WorkerSettings(database_url=postgres_url), "test")  # type: ignore[arg-type]
    configuration = client.Configuration()
    configuration.host = f"http://127.0.0.1:{port}"
    try:
        async with client.ApiClient(configuration) as api_client:
            api = client.CustomObjectsApi(api_client)
            watchers = [Watcher(api, mirror, 60) for mirror in (DeckyMirror(engine), SwarmHostMirror(engine))]
            async with background(*(watcher.run() for watcher in watchers)):
                await eventually(lambda: all(api_server.watches.values()), "both watches")
                yield api_server
    finally:
        with contextlib.suppress(Exception):
            for plural in api_server.watches:
                api_server.send(plural, None)
        await runner.cleanup()
        await engine.dispose()


def pins(url: str) -> dict[str, str | None]:
    return {
        row["name"]: row["sha256"] for row in rows(url, "select name, sha256 from swarm_hosts order by 1")
    }


def addresses(url: str) -> dict[str, str | None]:
    return {row["name"]: row["ip"] for row in rows(url, "select name, ip from deckies order by 1")}


async def test_changes_are_mirrored(server: ApiServer, postgres_url: str) -> None:
    server.put("swarmhosts", host("n1", "a" * 64))
    server.put("swarmhosts", host("n2", None))
    server.put("deckies", decky("one", "10.0.0.1"))
    await eventually(lambda: pins(postgres_url) == {"n1": "a" * 64, "n2": None}, "pins")
    await eventually(lambda: addresses(postgres_url) == {"one": "10.0.0.1"}, "deckies")
    server.put("swarmhosts", host("n1", None))
    server.put("swarmhosts", host("n2", "b" * 64))
    server.drop("deckies", "one")
    await eventually(lambda: pins(postgres_url) == {"n1": None, "n2": "b" * 64}, "pins")
    server.drop("swarmhosts", "n2")
    await eventually(lambda: pins(postgres_url) == {"n1": None}, "n2 is gone")
    assert addresses(postgres_url) == {}


async def test_what_was_missed_is_found_by_listing_again(server: ApiServer, postgres_url: str) -> None:
    server.put("swarmhosts", host("n1", "a" * 64))
    await eventually(lambda: pins(postgres_url) == {"n1": "a" * 64}, "the pin")
    server.drop("swarmhosts", "n1", quietly=True)
    server.put("swarmhosts", host("n3", "c" * 64), quietly=True)
    gone = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version"}
    server.send("swarmhosts", {"type": "ERROR", "object": gone})
    await eventually(lambda: pins(postgres_url) == {"n3": "c" * 64}, "the list")
    await eventually(lambda: server.watched == 3, "a watch from there")
    server.put("swarmhosts", host("n4", "d" * 64), quietly=True)
    server.send("swarmhosts", None)  # the watch just ends
    await eventually(lambda: "n4" in pins(postgres_url), "the list again")


async def test_an_api_server_that_fails_costs_no_pin(server: ApiServer, postgres_url: str) -> None:
    server.put("swarmhosts", host("n1", "a" * 64))
    await eventually(lambda: pins(postgres_url) == {"n1": "a" * 64}, "the pin")
    server.fail_with = 500
    server.send("swarmhosts", None)
    await asyncio.sleep(0.5)
    assert pins(postgres_url) == {"n1": "a" * 64}
    server.fail_with = None
    server.put("swarmhosts", host("n1", "e" * 64), quietly=True)
    await eventually(lambda: pins(postgres_url) == {"n1": "e" * 64}, "the new pin")
