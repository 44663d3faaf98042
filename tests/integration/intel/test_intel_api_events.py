"""Events, statistics, deckies, health and the dashboard, over HTTP."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from api_lab import Api, dashboard, row, serving, store
from intel_lab import eventually, execute
from openapi_spec_validator import validate

from decnet_events.credential import credential_fields
from lab.postgres import PostgresServer


@pytest.fixture
async def api(postgres_url: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with serving(postgres_url, dashboard_dir=dashboard(tmp_path / "dist")) as api:
        await api.enter()
        yield api


async def get(api: Api, path: str, **parameters: Any) -> Any:
    answer = await api.client.get(f"/api/v1/{path}", params=parameters)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_an_event_is_shown_whole(api: Api) -> None:
    await store(api.settings, row("hi", "http_request", src_ip="10.1.1.1", src_port="5", path="/x"))
    [item] = (await get(api, "logs"))["items"]
    assert item.pop("id") > 0
    assert item.pop("occurred_at").endswith("Z")
    assert item.pop("received_at").endswith("Z")
    assert item == {
        "node": "node-1", "namespace": "decnet", "decky": "web-front", "service": "ssh",
        "event_id": "http_request", "severity": 6, "hostname": "web01", "src_ip": "10.1.1.1", "src_port": 5,
        "fields": {"src_ip": "10.1.1.1", "src_port": "5", "path": "/x"}, "message": "hi", "raw": None,
        "acknowledged": True,
    }  # fmt: skip


async def test_pages_do_not_shift_while_events_come_in(api: Api) -> None:
    yesterday = dt.datetime.now(dt.UTC) - dt.timedelta(days=1)
    await store(api.settings, *(row(f"old {n}", at=yesterday) for n in range(30)))
    await store(api.settings, *(row(f"new {n}") for n in range(40)))
    wanted = [f"new {n}" for n in reversed(range(40))] + [f"old {n}" for n in reversed(range(30))]
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = await get(api, "logs", limit=7, **cursor)
        seen += [item["message"] for item in page["items"]]
        await store(api.settings, row("intruder"))
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert seen == wanted


async def test_search_finds_text_anywhere_and_no_wildcards(api: Api) -> None:
    await store(
        api.settings,
        row("Login FAILED for root", src_ip="10.9.8.7"),
        row("100% sure", decky="mail-1", service="smtp"),
        row("under_score \\ back"),
        row("", "command", command='echo "quoted" ünï'),
        row("", "command", command="tab\there"),
    )

    async def found(text: str) -> list[str]:
        return [
            item["message"] or item["fields"]["command"]
            for item in (await get(api, "logs", search=text))["items"]
        ]

    assert await found("login failed") == ["Login FAILED for root"]
    assert await found("%") == ["100% sure"]
    assert await found("_score") == ["under_score \\ back"]
    assert await found("\\") == ["tab\\x09here", "under_score \\ back"]
    assert await found('"quoted" ÜNÏ') == ['echo "quoted" ünï']
    assert await found("MAIL-1") == ["100% sure"]
    assert await found("10.9.8") == ["Login FAILED for root"]
    assert await found("'; drop table events; --") == []
    assert await found("nothing like it") == []


async def test_filters(api: Api) -> None:
    await store(
        api.settings,
        row("a", decky="one", service="ssh", src_ip="10.0.0.1"),
        row("b", "command", decky="one", service="http", src_ip="10.0.0.2"),
        row("c", "command", decky="two", service="ssh", src_ip="2001:db8::1"),
    )

    async def found(**wanted: str) -> str:
        return "".join(item["message"] for item in (await get(api, "logs", **wanted))["items"])

    assert await found(decky="one") == "ba"
    assert await found(service="ssh") == "ca"
    assert await found(event_id="command", decky="one") == "b"
    assert await found(src_ip="10.0.0.2") == "b"
    assert await found(src_ip="2001:DB8:0::1") == "c"
    assert await found(node="node-1") == "cba"
    assert await found(search="B", service="http") == "b"


async def test_odd_questions_are_422(api: Api) -> None:
    questions: list[dict[str, Any]] = [
        {"limit": 0}, {"limit": 1001}, {"limit": "x"}, {"cursor": "!!!"}, {"cursor": "AAAA"},
        {"cursor": "OTk5OTk5OTk5OS4x"}, {"src_ip": "nobody"}, {"search": "a\0b"}, {"search": "x" * 1001},
        {"decky": "\0"},
    ]  # fmt: skip
    for question in questions:
        answer = await api.client.get("/api/v1/logs", params=question)
        assert answer.status_code == 422, question
        assert answer.json()["detail"][0]["loc"][0] == "query"


async def test_statistics(api: Api) -> None:
    secret = credential_fields("root", b"toor", "plaintext")
    await store(
        api.settings,
        row("a", "credential", decky="one", src_ip="10.0.0.1", **secret),
        row("b", "credential", decky="one", src_ip="10.0.0.1", **secret),
        row("c", "made_up_by_an_intruder", decky="two", service="http", src_ip="10.0.0.2"),
        row("d", at=dt.datetime.now(dt.UTC) - dt.timedelta(hours=3)),
    )
    stats = await get(api, "stats")
    assert (stats["events"], stats["credentials"], stats["sources"]) == (4, 2, 2)
    assert [(c["name"], c["events"]) for c in stats["by_service"]] == [("ssh", 3), ("http", 1)]
    assert [(c["name"], c["events"]) for c in stats["by_decky"]] == [("one", 2), ("two", 1), ("web-front", 1)]
    assert {c["name"] for c in stats["by_event"]} == {"credential", "connect", "other"}
    assert [(c["name"], c["events"]) for c in stats["top_sources"]] == [("10.0.0.1", 2), ("10.0.0.2", 1)]
    assert len(stats["last_24_hours"]) == 24
    assert [hour["events"] for hour in stats["last_24_hours"]][-4:] == [1, 0, 0, 3]


async def test_deckies_and_etags(api: Api, postgres_url: str) -> None:
    execute(
        postgres_url,
        "insert into deckies (namespace, name, uid, ip, ready, services)"
        " values ('decnet', 'one', 'u', '10.0.0.5', true,"
        """ '[{"name": "ssh", "ready": true, "ports": ["22/TCP"]}]')""",
    )
    first = await api.client.get("/api/v1/deckies")
    [decky] = first.json()["items"]
    assert (decky["name"], decky["ip"], decky["ready"], decky["events"]) == ("one", "10.0.0.5", True, 0)
    assert decky["services"] == [{"name": "ssh", "ready": True, "ports": ["22/TCP"]}]
    etag = first.headers["etag"]
    again = await api.client.get("/api/v1/deckies", headers={"If-None-Match": f'"x", {etag}'})
    assert (again.status_code, again.content) == (304, b"")
    await store(api.settings, row("x", decky="one"))
    changed = await api.client.get("/api/v1/deckies", headers={"If-None-Match": etag})
    assert changed.status_code == 200
    assert changed.json()["items"][0]["events"] == 1
    stats = await api.client.get("/api/v1/stats")
    same = await api.client.get("/api/v1/stats", headers={"If-None-Match": stats.headers["etag"]})
    assert same.status_code == 304


async def test_health_says_little_to_strangers(api: Api) -> None:
    answer = await api.client.get("/health")
    assert answer.json()["status"] == "degraded"  # no listener and no worker here
    assert answer.json()["components"]["database"]["ok"] is True
    assert answer.json()["components"]["listener"]["ok"] is False
    stranger = await api.client.get("/health", headers={"Authorization": ""})
    assert stranger.json() == {"status": "degraded", "components": None}
    for component in ("listener", "worker"):
        execute(
            str(api.settings.database_url.get_secret_value()),
            "insert into heartbeats values (%s, 'x')",
            component,
        )
    assert (await api.client.get("/health")).json()["status"] == "ok"
    assert (await api.client.get("/healthz")).status_code == 200
    assert (await api.client.get("/readyz")).status_code == 200
    assert b"decnet_api_streams" in (await api.client.get("/metrics")).content


async def test_without_the_database_everything_says_so_and_comes_back(
    api: Api, postgres_server: PostgresServer
) -> None:
    await asyncio.to_thread(postgres_server.stop)
    try:
        health = await api.client.get("/health")
        assert (health.status_code, health.json()) == (503, {"status": "degraded", "components": None})
        assert (await api.client.get("/readyz")).status_code == 503
        assert (await api.client.get("/healthz")).status_code == 200
        for answer in (await api.client.get("/api/v1/logs"), await api.login()):
            assert answer.status_code == 503
            assert "database" in answer.json()["detail"]
            assert answer.headers["retry-after"]
    finally:
        await asyncio.to_thread(postgres_server.start)

    async def back() -> bool:
        return (await api.client.get("/api/v1/logs")).status_code == 200

    await eventually(back, "the API is back")


async def test_the_dashboard_and_the_headers(api: Api) -> None:
    for path in ("/", "/deckies", "/some/deep/page"):
        page = await api.client.get(path)
        assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert page.headers["cache-control"] == "no-cache"
    script = await api.client.get("/assets/app-1234.js")
    assert "immutable" in script.headers["cache-control"]
    for path in (
        "/assets/gone.js",
        "/api/v1/nothing",
        "/api",
        "/%2e%2e/%2e%2e/etc/passwd.x",
    ):
        assert (await api.client.get(path)).status_code == 404, path
    for path in ("/../../etc/passwd", "/assets/%2e%2e/%2e%2e/etc/passwd"):
        assert "DECNET" in (await api.client.get(path)).text  # a page that only the browser knows
    for path in ("/", "/api/v1/logs", "/api/v1/nothing", "/health"):
        headers = (await api.client.get(path)).headers
        assert "script-src 'self';" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert "server" not in headers or headers["server"] != "decnet"
    assert (await api.client.get("/api/v1/logs")).headers["cache-control"] == "no-store"


async def test_openapi_is_served_and_valid(api: Api) -> None:
    document = await get(api, "openapi.json")
    validate(document)
    assert set(document["paths"]) >= {"/api/v1/auth/login", "/api/v1/logs", "/api/v1/stream", "/health"}
