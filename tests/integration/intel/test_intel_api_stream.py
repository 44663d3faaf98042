"""The live stream: nothing missed, nothing twice, whatever commits late."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
from api_lab import CHOSEN, Api, row, serving, store, streaming
from intel_lab import eventually

from decnet_intel.database import connect
from decnet_intel.listener.store import Store
from decnet_intel.repository.entries import entry_of
from lab.postgres import PostgresServer


@pytest.fixture
async def api(postgres_url: str) -> AsyncIterator[Api]:
    async with serving(
        postgres_url, stream_keepalive_seconds=1, stream_poll_seconds=0.5, stream_clients=3
    ) as api:
        await api.enter()
        yield api


async def test_events_come_as_they_are_stored(api: Api) -> None:
    await store(api.settings, row("before"))
    async with streaming(api) as stream:
        started = time.monotonic()
        await store(api.settings, row("one"), row("two"))
        assert [(await stream.next())["message"] for _ in range(2)] == ["one", "two"]
        assert time.monotonic() - started < 1
        await eventually(lambda: stream.comments, "a keep-alive")
    listed = (await api.client.get("/api/v1/logs")).json()["items"]
    assert [item["message"] for item in listed] == ["two", "one", "before"]


async def test_a_stream_resumes_after_the_last_event(api: Api) -> None:
    async with streaming(api) as stream:
        await store(api.settings, *(row(str(n)) for n in range(5)))
        assert [(await stream.next())["message"] for _ in range(3)] == ["0", "1", "2"]
        last = stream.last_id
    await store(api.settings, *(row(str(n)) for n in range(5, 450)))
    async with streaming(api, last_event_id=last) as stream:
        assert [(await stream.next())["message"] for _ in range(447)] == [str(n) for n in range(3, 450)]
        with pytest.raises(TimeoutError):
            await stream.next(0.5)


async def test_a_transaction_that_commits_late_is_not_skipped(api: Api) -> None:
    async with streaming(api) as stream:
        async with await connect(api.settings, "test") as slow:
            late = Store(slow, 30)
            await late.open()
            await store(api.settings, row("first"))  # makes the partition
            assert (await stream.next())["message"] == "first"
            last = stream.last_id
            async with slow.transaction():
                await late.save([entry_of(row("late"))])
                await store(api.settings, row("early", node="other", src_ip="10.0.0.1"))
                with pytest.raises(TimeoutError):
                    await stream.next(1.5)  # held back: "late" could still come before it
            assert [(await stream.next())["message"] for _ in range(2)] == ["late", "early"]
        async with streaming(api, last_event_id=last) as again:
            assert [(await again.next())["message"] for _ in range(2)] == ["late", "early"]


async def test_the_stream_survives_a_crash_of_postgres(api: Api, postgres_server: PostgresServer) -> None:
    async with streaming(api) as stream:
        await asyncio.to_thread(postgres_server.stop)
        await asyncio.sleep(0.5)
        await asyncio.to_thread(postgres_server.start)
        await store(api.settings, row("after"))
        assert (await stream.next())["message"] == "after"


async def test_the_token_may_be_in_the_url_and_ends_with_the_password(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("decnet_intel.api.endpoints.stream.RECHECK_SECONDS", 0.5)
    token = api.client.headers.pop("Authorization").removeprefix("Bearer ")
    async with api.client.stream("GET", "/api/v1/stream", params={"token": token}) as response:
        assert response.status_code == 200
        changed = await api.client.post(
            "/api/v1/auth/change-password",
            json={"old_password": CHOSEN, "new_password": "Another-Horse-43-Battery"},
            headers={"Authorization": f"Bearer {token}"},
        )
        assert changed.status_code == 200
        async with asyncio.timeout(10):
            async for _ in response.aiter_lines():
                pass  # until the server ends it
    assert (await api.client.get("/api/v1/stream", params={"token": token})).status_code == 401


async def test_streams_are_bounded_and_free_their_place(api: Api) -> None:
    async with streaming(api), streaming(api), streaming(api):
        refused = await api.client.get("/api/v1/stream")
        assert refused.status_code == 503
        assert refused.headers["retry-after"]

    async def free() -> bool:
        async with api.client.stream("GET", "/api/v1/stream") as response:
            return response.status_code == 200

    await eventually(free, "a free place")


async def test_an_odd_last_event_id_is_422(api: Api) -> None:
    for last in ("x", "1", "1-", "-1-2", "99999999999999999999-1", "1-2-3"):
        answer = await api.client.get("/api/v1/stream", headers={"Last-Event-ID": last})
        assert answer.status_code == 422, last
