"""Which lines are new, decided by the store with a real Postgres."""

from __future__ import annotations

import asyncio
import datetime as dt
import random
from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest
from api_lab import row
from intel_lab import execute, rows

from decnet_intel.database import connect
from decnet_intel.listener.store import Store, Stored
from decnet_intel.repository.entries import Entry, Row, entry_of
from decnet_intel.settings import MigrateSettings

NOW = dt.datetime.now(dt.UTC)


def line(offset: int, *, message: str | None = None, uid: str = "uid", **changes: Any) -> Entry:
    """A line of a file at `offset`, which is also its text."""
    it: Row = row(str(offset) if message is None else message, src_ip="10.0.0.1")
    return entry_of(it._replace(pod_uid=uid, byte_offset=offset, **changes))


@pytest.fixture
async def stores(postgres_url: str) -> AsyncIterator[list[Store]]:
    """Two stores, as two listeners have them."""
    settings = MigrateSettings(database_url=postgres_url)  # type: ignore[arg-type]
    async with await connect(settings, "one") as one, await connect(settings, "two") as two:
        made = [Store(one, 30), Store(two, 30)]
        for store in made:
            await store.open()
        yield made


def messages(url: str) -> list[str]:
    return [found["message"] for found in rows(url, "select message from events order by id")]


async def test_lines_behind_the_offset_are_stored_when_they_are_missing(
    stores: list[Store], postgres_url: str
) -> None:
    first, second = stores
    assert await first.save([line(10), line(30)]) == Stored(2, 0, 0)
    # a late report at 20, a repetition of 10 and 30, and 40, which is new, twice
    batch = [line(20), line(10), line(30), line(40), line(40)]
    assert await second.save(batch) == Stored(2, 3, 0)
    assert await first.save(batch) == Stored(0, 5, 0)
    assert sorted(messages(postgres_url)) == ["10", "20", "30", "40"]
    assert rows(postgres_url, "select sum(events)::int as n from event_counts") == [{"n": 4}]
    assert rows(postgres_url, "select sum(events)::int as n from source_counts") == [{"n": 4}]
    assert rows(postgres_url, "select byte_offset::int as n from files") == [{"n": 40}]


async def test_an_offset_that_is_behind_its_lines_does_not_double_them(
    stores: list[Store], postgres_url: str
) -> None:
    await stores[0].save([line(n) for n in range(5)])
    execute(postgres_url, "update files set byte_offset = 1")
    assert await stores[0].save([line(n) for n in range(10)]) == Stored(5, 5, 0)
    assert messages(postgres_url) == [str(n) for n in range(10)]
    assert rows(postgres_url, "select sum(events)::int as n from event_counts") == [{"n": 10}]


async def test_a_misdated_line_is_known_on_any_day_and_a_missing_one_is_stored(
    stores: list[Store], postgres_url: str
) -> None:
    ancient = NOW.replace(year=1999)
    assert await stores[0].save([line(n, written_at=ancient) for n in (1, 9)]) == Stored(2, 0, 2)
    yesterday = NOW - dt.timedelta(days=1)
    await stores[0].save([line(1, uid="other", written_at=yesterday)])  # makes the partition
    execute(postgres_url, "update events set day = day - 1 where pod_uid = 'uid'")
    batch = [line(n, written_at=ancient) for n in (1, 5, 9, 5, 12)]
    assert await stores[1].save(batch) == Stored(2, 3, 5)
    assert sorted(messages(postgres_url)) == ["1", "1", "12", "5", "9"]


async def test_a_file_that_was_forgotten_begins_again(stores: list[Store], postgres_url: str) -> None:
    await stores[0].save([line(1)])
    execute(postgres_url, "delete from events")
    execute(postgres_url, "delete from files")
    assert await stores[0].save([line(1), line(2)]) == Stored(2, 0, 0)


async def test_listeners_with_the_same_lines_in_another_order_do_not_stand_in_each_others_way(
    stores: list[Store], postgres_url: str
) -> None:
    """Connections of one node that are read by two listeners: every file in both, in any order."""
    files = [f"uid-{n}" for n in range(6)]

    async def deliver(store: Store, seed: int) -> int:
        order = random.Random(seed)
        new = 0
        for at in range(0, 200, 20):
            order.shuffle(files)
            batch = [line(n, uid=uid, message=f"{uid}/{n}") for uid in files for n in range(at, at + 20)]
            new += (await store.save(batch)).new
        return new

    async with asyncio.timeout(60):
        assert sum(await asyncio.gather(deliver(stores[0], 1), deliver(stores[1], 2))) == 1200
    assert len(set(messages(postgres_url))) == len(messages(postgres_url)) == 1200
    assert rows(postgres_url, "select sum(events)::int as n from event_counts") == [{"n": 1200}]
    for uid in files:
        in_order = rows(
            postgres_url, f"select byte_offset::int as n from events where pod_uid = '{uid}' order by id"
        )
        assert [found["n"] for found in in_order] == list(range(200))


async def test_what_postgres_refuses_is_found_among_the_others(
    stores: list[Store], postgres_url: str
) -> None:
    execute(
        postgres_url, "alter table events add constraint picky check (not starts_with(message, 'poison'))"
    )
    odd = 'poison "\\N" \t \\ \r ü'
    batch = [line(n, message=odd if n in (3, 7) else None, cut=n == 7) for n in range(10)]
    assert await stores[0].save(batch) == Stored(10, 0, 0)
    assert await stores[0].save(batch) == Stored(0, 10, 0)
    bad = rows(
        postgres_url, "select byte_offset::int as n, cut, raw from events where event_id = 'raw' order by id"
    )
    assert [(found["n"], found["cut"]) for found in bad] == [(3, False), (7, True)]
    assert all("poison" in found["raw"] and found["raw"].isascii() for found in bad)


async def test_midnight(stores: list[Store], postgres_url: str) -> None:
    day = NOW.replace(hour=0, minute=0, second=0, microsecond=0)
    batch = [line(n, written_at=day + dt.timedelta(microseconds=n - 5)) for n in range(10)]
    assert await stores[0].save(batch) == Stored(10, 0, 0)
    assert await stores[1].save(batch) == Stored(0, 10, 0)
    found = rows(postgres_url, "select day, count(*)::int as n from events group by 1 order by 1")
    assert [(it["day"], it["n"]) for it in found] == [
        (day.date() - dt.timedelta(days=1), 5),
        (day.date(), 5),
    ]
    assert messages(postgres_url) == [str(n) for n in range(10)]


async def test_a_read_only_server_is_an_error_to_wait_for(postgres_url: str) -> None:
    settings = MigrateSettings(database_url=postgres_url)  # type: ignore[arg-type]
    async with await connect(settings, "one") as connection:
        store = Store(connection, 30)
        await store.open()
        await connection.execute("set default_transaction_read_only = on")
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            await store.save([line(1)])
        await connection.execute("set default_transaction_read_only = off")
        assert await store.save([line(1)]) == Stored(1, 0, 0)
