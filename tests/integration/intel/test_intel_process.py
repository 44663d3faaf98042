"""The console commands as processes: they become ready, and SIGTERM ends them cleanly and soon."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator

import httpx
from api_lab import FIRST
from intel_lab import eventually, rows

from lab.postgres import free_port

PARTITIONS = "select 1 as x from pg_inherits where inhparent = 'events'::regclass"


@contextlib.asynccontextmanager
async def command(name: str, url: str, **settings: object) -> AsyncIterator[asyncio.subprocess.Process]:
    """`decnet-intel name` with settings from the environment."""
    environment = {f"DECNET_{name.upper()}_{key.upper()}": str(value) for key, value in settings.items()}
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "decnet_intel.main", name,
        env={**os.environ, **environment, "DECNET_DATABASE_URL": url},
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        yield child
    finally:
        with contextlib.suppress(ProcessLookupError):
            child.kill()
        await child.communicate()


async def ends(child: asyncio.subprocess.Process) -> int:
    """The exit status after SIGTERM."""
    child.send_signal(signal.SIGTERM)
    async with asyncio.timeout(10):
        return await child.wait()


async def answers(url: str) -> bool:
    """Whether `url` answers 200."""
    async with httpx.AsyncClient() as client:
        try:
            return (await client.get(url)).status_code == 200
        except httpx.TransportError:
            return False


async def test_migrate_worker_and_api(empty_postgres_url: str) -> None:
    async with command("migrate", empty_postgres_url) as child:
        assert await child.wait() == 0
    port, status = free_port(), free_port()
    async with (
        command("worker", empty_postgres_url, tasks="upkeep", status_host="127.0.0.1", status_port=status) as worker,
        command(
            "api", empty_postgres_url, host="127.0.0.1", port=port, jwt_secret="k" * 32, admin_password=FIRST
        ) as api,
    ):  # fmt: skip
        await eventually(lambda: answers(f"http://127.0.0.1:{status}/readyz"), "the worker is ready", 30)
        await eventually(lambda: answers(f"http://127.0.0.1:{port}/readyz"), "the API is ready", 30)
        assert len(rows(empty_postgres_url, PARTITIONS)) == 3
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}/api/v1") as client:
            await eventually(lambda: rows(empty_postgres_url, "select 1 as x from users"), "the admin")
            answer = await client.post("/auth/login", json={"username": "admin", "password": FIRST})
            body = {"old_password": FIRST, "new_password": "Correct-Horse-42-Battery"}
            headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
            changed = await client.post("/auth/change-password", json=body, headers=headers)
            token = changed.json()["access_token"]
            async with client.stream("GET", "/stream", params={"token": token}) as stream:
                assert stream.status_code == 200
                assert await ends(api) == 0  # an open stream does not keep it
        assert await ends(worker) == 0


async def test_a_failing_command_says_why(empty_postgres_url: str) -> None:
    async with command("migrate", f"postgresql://x@127.0.0.1:{free_port()}/x", wait_seconds=0) as child:
        _, text = await child.communicate()
    assert child.returncode == 1
    assert b"Postgres did not answer in time" in text
    async with command("api", empty_postgres_url, jwt_secret="short") as child:
        _, text = await child.communicate()
    assert child.returncode == 2
    assert b"DECNET_API_JWT_SECRET: " in text
    assert b"short" not in text.replace(b"shorter", b"")
