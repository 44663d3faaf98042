"""Readers get a container's lines in order, also when two listeners have some, or lines begin before others."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
from collections.abc import AsyncIterator

import psycopg
from intel_lab import rows

from decnet_intel.repository import ingest, partitions
from decnet_intel.repository.entries import Entry, Row, entry_of
from decnet_intel.repository.ingest import Filed

TODAY = dt.datetime.now(dt.UTC).date()
FILING = {TODAY: Filed(TODAY, True)}


def line(container: str, offset: int) -> Entry:
    now = dt.datetime.now(dt.UTC)
    return entry_of(
        Row(
            "node-1", "decnet", "web", "uid", container, "gen", offset, "raw", 5, "", None, None, "{}",
            "", f"{container} {offset}", now, True, False, now,
        )
    )  # fmt: skip


@contextlib.asynccontextmanager
async def listener(url: str) -> AsyncIterator[ingest.Connection]:
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        yield connection


async def write(connection: ingest.Connection, *entries: Entry) -> None:
    async with connection.transaction():
        await ingest.write(connection, entries, FILING)


async def test_a_transaction_that_had_to_wait_is_not_older_than_the_one_it_waited_for(
    postgres_url: str,
) -> None:
    async with (
        listener(postgres_url) as first,
        listener(postgres_url) as second,
        listener(postgres_url) as other,
    ):
        await partitions.create(first, TODAY)
        async with first.transaction():
            await ingest.write(first, [line("b", 0)], FILING)
            # What the other side has, and more: it waits in the middle of its files for the one above.
            resent = asyncio.create_task(
                write(second, line("a", 0), line("b", 0), line("c", 0), line("c", 1))
            )
            await asyncio.sleep(0.3)
            late = asyncio.create_task(write(other, line("c", 0)))
            await asyncio.sleep(0.3)
        await asyncio.gather(resent, late)
    found = rows(postgres_url, "select service, byte_offset from events where service = 'c' order by xid, id")
    assert [row["byte_offset"] for row in found] == [0, 1]


async def test_lines_that_end_after_later_ones_keep_their_place(postgres_url: str) -> None:
    sent = [
        line("a", 0),
        line("b", 0),
        line("a", 50),
        line("a", 20),
        line("b", 9),
        line("a", 70),
        line("a", 60),
    ]
    async with listener(postgres_url) as connection:
        await partitions.create(connection, TODAY)
        await write(connection, line("a", 0), line("b", 0))
        await write(connection, *sent)
        await write(connection, *sent, line("a", 80))
    found = rows(postgres_url, "select service, byte_offset from events order by xid, id")
    assert [row["byte_offset"] for row in found if row["service"] == "a"] == [0, 50, 20, 70, 60, 80]
    assert [row["byte_offset"] for row in found if row["service"] == "b"] == [0, 9]
