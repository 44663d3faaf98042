"""The day partitions of `events`: made ahead, made when a late line needs one, dropped by age.

Everything here runs outside a transaction, on a connection in autocommit mode.
"""

from __future__ import annotations

import logging
import re
from datetime import date, datetime, timedelta
from typing import Any

import psycopg
from psycopg import sql

_LOCK = 0x6465636E7061  # partitions are made by one process at a time
_NAME = re.compile(r"events_(\d{8})")

_LISTED = """
    select c.relname, coalesce(i.inhdetachpending, false) as detaching, i.inhrelid is not null as attached
    from pg_class c
    left join pg_inherits i on i.inhrelid = c.oid and i.inhparent = 'events'::regclass
    where c.relkind = 'r' and c.relname ~ '^events_[0-9]{8}$'
      and c.relnamespace = (select relnamespace from pg_class where oid = 'events'::regclass)
"""

Connection = psycopg.AsyncConnection[Any]

log = logging.getLogger(__name__)


def name_of(day: date) -> str:
    """The table that holds `day`."""
    return f"events_{day:%Y%m%d}"


def _day_of(name: str) -> date:
    found = _NAME.fullmatch(name)
    assert found is not None  # the query asked for this form
    return datetime.strptime(found[1], "%Y%m%d").date()  # noqa: DTZ007 (a date has no zone)


async def existing(connection: Connection) -> set[date]:
    """The days that have a partition."""
    rows = await (await connection.execute(_LISTED)).fetchall()
    return {_day_of(name) for name, detaching, attached in rows if attached and not detaching}


async def create(connection: Connection, day: date) -> None:
    """Make the partition of `day` unless it is there.

    Made beside `events` and then attached: attaching lets readers and writers go on, while
    CREATE TABLE … PARTITION OF would lock them out.
    """
    table = sql.Identifier(name_of(day))
    async with connection.transaction():
        await connection.execute("set local lock_timeout = '10s'")
        await connection.execute("select pg_advisory_xact_lock(%s)", [_LOCK])
        if day in await existing(connection):
            return
        await connection.execute(sql.SQL("drop table if exists {}").format(table))  # left by a cut-off drop
        await connection.execute(
            sql.SQL("create table {} (like events including defaults including constraints)").format(table)
        )
        await connection.execute(
            sql.SQL("alter table events attach partition {} for values from ({}) to ({})").format(
                table, sql.Literal(day.isoformat()), sql.Literal((day + timedelta(days=1)).isoformat())
            )
        )
    log.info("made the partition of %s", day)


async def drop_before(connection: Connection, oldest: date) -> list[date]:
    """Drop the partitions of days before `oldest`; their days. Readers and writers go on meanwhile."""
    rows = await (await connection.execute(_LISTED)).fetchall()
    old = sorted((_day_of(name), detaching, attached) for name, detaching, attached in rows)
    dropped = []
    for day, detaching, attached in old:
        if day >= oldest:
            break
        table = sql.Identifier(name_of(day))
        if attached:
            how = sql.SQL("finalize" if detaching else "concurrently")
            await connection.execute(sql.SQL("alter table events detach partition {} {}").format(table, how))
        await connection.execute(sql.SQL("drop table {}").format(table))
        log.info("dropped the partition of %s", day)
        dropped.append(day)
    return dropped


_FORGET_FILES = """
    delete from files where id in (
        select id from files where updated_at < now() - %s::interval order by id for update skip locked)
"""
_CLOCK_MARGIN = timedelta(days=3)
"""A line may be filed under a day after the one on which it came: its file is kept a little longer."""


async def forget_files(connection: Connection, kept: timedelta) -> None:
    """Forget files whose lines are all in days that are no longer kept."""
    await connection.execute(_FORGET_FILES, [kept + _CLOCK_MARGIN])
