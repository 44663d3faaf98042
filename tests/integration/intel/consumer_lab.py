"""Events without a listener, and a consumer that writes what it saw into a table.

As a program it is that consumer in a process: `python consumer_lab.py DATABASE_URL SLOW_SECONDS`.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import logging
import sys
from collections.abc import AsyncIterator, Sequence

import psycopg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from decnet_intel.consumer import Consumer, Delivery, Handler, Pace, Topics
from decnet_intel.database import make_engine
from decnet_intel.notify import Wake
from decnet_intel.process import background
from decnet_intel.repository.ingest import CHANNEL
from decnet_intel.settings import CommonSettings

NAME = "recorder"
EVERYTHING = Topics(">")
QUICK = Pace(batch=20, poll=0.2, tries=3, first_pause=0.02, longest_pause=0.5, takeover=0.2, measure=0.2)

_INSERT = """
insert into events (day, file_id, node, namespace, decky, pod_uid, service, generation, byte_offset,
                    event_id, severity, hostname, fields, message, occurred_at, acknowledged, cut)
select current_date, 1, 'node-1', 'decnet', %(decky)s, 'uid', %(service)s, 'g',
       nextval('places'), %(event)s, 6, 'h', '{}', m, now(), true, false
from unnest(%(messages)s::text[]) as m
"""


def prepare(url: str) -> None:
    """A partition for today, and the table of effects."""
    today = dt.datetime.now(dt.UTC).date()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            f"create table events_{today:%Y%m%d} partition of events"  # type: ignore[arg-type]
            f" for values from ('{today}') to ('{today + dt.timedelta(days=1)}')"
        )
        connection.execute("create sequence places")
        connection.execute("create table effects (n bigint generated always as identity, message text)")


def add(connection: psycopg.Connection, *messages: str, **topic: str) -> None:
    """Events of today, in the connection's transaction, without a notification."""
    values = {"decky": "web", "service": "ssh", "event": "connect", **topic, "messages": list(messages)}
    connection.execute(_INSERT, values)


def commit(url: str, *messages: str, notify: bool = False, **topic: str) -> None:
    """Committed events."""
    with psycopg.connect(url) as connection:
        add(connection, *messages, **topic)
        if notify:
            connection.execute(f"notify {CHANNEL}")  # type: ignore[arg-type]


def effects(url: str) -> list[str]:
    """What the handler has written, in order."""
    with psycopg.connect(url) as connection:
        return [row[0] for row in connection.execute("select message from effects order by n")]


async def record(session: AsyncSession, deliveries: Sequence[Delivery]) -> None:
    """The handler."""
    for delivery in deliveries:
        await session.execute(
            text("insert into effects (message) values (:m)"), {"m": delivery.event.message}
        )


@contextlib.asynccontextmanager
async def consuming(
    url: str,
    handler: Handler = record,
    *,
    topics: Topics = EVERYTHING,
    pace: Pace = QUICK,
    history: bool = True,
) -> AsyncIterator[Consumer]:
    """A consumer in this process."""
    settings = CommonSettings(database_url=url)  # type: ignore[arg-type]
    engine = make_engine(settings, "test-consumer")
    wake = Wake(settings, CHANNEL, "test-consumer-wake")
    consumer = Consumer(NAME, topics, handler, pace=pace, history=history)
    try:
        async with background(wake.run(), consumer.run(engine, wake)) as failed:
            yield consumer
            assert not failed.done(), failed.exception()
    finally:
        await engine.dispose()


async def main(url: str, slow: float) -> None:
    """Records until killed; waits `slow` seconds between one effect and the next."""

    async def slowly(session: AsyncSession, deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            await record(session, [delivery])
            await asyncio.sleep(slow)

    async with consuming(url, slowly):
        await asyncio.Event().wait()


if __name__ == "__main__":
    logging.basicConfig()
    asyncio.run(main(sys.argv[1], float(sys.argv[2])))
