"""A consumer's effects are there once, whatever dies in the middle of them."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from consumer_lab import commit, consuming, effects, prepare
from intel_lab import eventually, execute, rows

from lab.postgres import PostgresServer

PROGRAM = Path(__file__).parent / "consumer_lab.py"
IN_A_TRANSACTION = (
    "select 1 as x from pg_stat_activity where application_name = 'test-consumer'"
    " and backend_xid is not null and datname = current_database()"
)


@pytest.fixture
def url(postgres_url: str) -> str:
    prepare(postgres_url)
    return postgres_url


@contextlib.asynccontextmanager
async def process(url: str, slow: float) -> AsyncIterator[asyncio.subprocess.Process]:
    """The recording consumer as a process."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, str(PROGRAM), url, str(slow), stderr=asyncio.subprocess.DEVNULL
    )
    try:
        yield child
    finally:
        with contextlib.suppress(ProcessLookupError):
            child.kill()
        await child.wait()


async def test_killed_within_the_handler(url: str) -> None:
    messages = [str(n) for n in range(60)]
    commit(url, *messages)
    for _ in range(3):  # each is killed with some effects written and none of its batch committed
        async with process(url, 0.1):
            await eventually(lambda: rows(url, IN_A_TRANSACTION), "the handler is at work", 30)
            await asyncio.sleep(0.5)
        await eventually(lambda: not rows(url, IN_A_TRANSACTION), "Postgres has noticed")
    before = effects(url)
    assert before == messages[: len(before)]
    assert len(before) < len(messages)
    async with process(url, 0):
        await eventually(lambda: len(effects(url)) >= 60, "all effects", 30)
    assert effects(url) == messages


async def test_another_takes_over(url: str) -> None:
    messages = [str(n) for n in range(200)]
    commit(url, *messages[:100])
    async with process(url, 0.005) as first, process(url, 0.005):
        await eventually(lambda: effects(url), "the first effects", 30)
        first.kill()
        commit(url, *messages[100:], notify=True)
        await eventually(lambda: len(effects(url)) >= 200, "all effects", 30)
    assert effects(url) == messages


async def test_only_one_is_active(url: str) -> None:
    async with consuming(url), process(url, 0), process(url, 0):
        for n in range(0, 100, 10):
            commit(url, *(str(m) for m in range(n, n + 10)), notify=True)
            await asyncio.sleep(0.1)
        await eventually(lambda: len(effects(url)) >= 100, "all effects", 30)
        holders = "select count(*)::int as n from pg_locks where locktype = 'advisory' and granted"
        here = "(select oid from pg_database where datname = current_database())"
        assert rows(url, f"{holders} and database = {here}") == [{"n": 1}]
    assert effects(url) == [str(n) for n in range(100)]


async def test_postgres_crashes_and_the_connection_is_cut(postgres_server: PostgresServer, url: str) -> None:
    async with consuming(url) as consumer:
        for n in range(6):
            commit(url, *(str(m) for m in range(n * 50, n * 50 + 50)), notify=True)
            if n == 2:
                await asyncio.to_thread(postgres_server.stop, "immediate")
                await eventually(lambda: consumer.trouble, "it notices")
                await asyncio.to_thread(postgres_server.start)
            else:
                rows(
                    url, "select pg_terminate_backend(pid) from pg_stat_activity"
                    " where application_name = 'test-consumer'"
                )  # fmt: skip
        await eventually(lambda: len(effects(url)) >= 300, "all effects", 30)
        await eventually(lambda: consumer.trouble is None, "no trouble is left")
    assert effects(url) == [str(n) for n in range(300)]
    assert rows(url, "select 1 as x from dead_letters") == []


async def test_a_read_only_database_is_nobodys_fault(url: str) -> None:
    name = url.rsplit("/", 1)[1]
    writable = f"{url}?options=-c%20default_transaction_read_only%3Doff"
    cut = (
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'test-consumer%'"
    )
    commit(url, "1")
    async with consuming(url) as consumer:
        await eventually(lambda: effects(url) == ["1"], "the first effect")
        execute(writable, f"alter database {name} set default_transaction_read_only = on")
        rows(writable, cut)
        commit(writable, "2")
        await eventually(lambda: consumer.trouble, "it notices")
        await asyncio.sleep(1)
        execute(writable, f"alter database {name} reset default_transaction_read_only")
        rows(writable, cut)
        await eventually(lambda: effects(url)[-1] == "2", "the second effect", 30)
    assert rows(url, "select 1 as x from dead_letters") == []
