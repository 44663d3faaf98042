"""Writing events: COPY into a staging table, then one INSERT that leaves out what is there already.

All of it happens in the caller's transaction, the counts and the files' offsets included.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

import psycopg

NULL = "\\N"

CHANNEL = "events"
"""NOTIFY channel that says: there are new events."""

_COLUMNS = (
    "day, file_id, node, namespace, decky, pod_uid, service, generation, byte_offset, event_id, severity, hostname,"
    " src_ip, src_port, fields, message, raw, occurred_at, acknowledged, cut"
)

STAGING = """
create temporary table if not exists staging (
    seq integer, day date, file_id bigint, node text, namespace text, decky text, pod_uid text, service text,
    generation text, byte_offset bigint, event_id text, severity smallint, hostname text, src_ip inet,
    src_port integer, fields jsonb, message text, raw text, occurred_at timestamptz,
    acknowledged boolean, cut boolean
) on commit delete rows
"""

_COPY = f"copy staging (seq, {_COLUMNS}) from stdin"

# Sorted by their keys, so that two listeners lock the counters in the same order.
_INSERT = f"""
with fresh as (
    insert into events ({_COLUMNS})
    select {_COLUMNS} from staging order by seq
    on conflict (day, file_id, byte_offset) do nothing
    returning day, node, namespace, decky, service, event_id, src_ip, occurred_at,
              fields ? 'secret_b64' as secret
), counted as (
    insert into event_counts as c
        (hour, node, namespace, decky, service, event_id, events, credentials, last_at)
    select date_trunc('hour', occurred_at), node, namespace, decky, service,
           case when event_id = any(%(known)s) then event_id else 'other' end as kind,
           count(*), count(*) filter (where secret), max(occurred_at)
    from fresh group by 1, 2, 3, 4, 5, 6 order by 1, 2, 3, 4, 5, 6
    on conflict (hour, node, namespace, decky, service, event_id) do update
    set events = c.events + excluded.events, credentials = c.credentials + excluded.credentials,
        last_at = greatest(c.last_at, excluded.last_at)
), sourced as (
    insert into source_counts as s (day, src_ip, events, last_at)
    select day, src_ip, count(*), max(occurred_at)
    from fresh where src_ip is not null group by 1, 2 order by 1, 2
    on conflict (day, src_ip) do update
    set events = s.events + excluded.events, last_at = greatest(s.last_at, excluded.last_at)
)
select count(*) from fresh
"""  # noqa: S608 (only our own column names are put in)

# Sorted by their keys, so that two listeners lock the files in the same order.
_CLAIM = """
insert into files as f (node, pod_uid, container, generation, byte_offset)
select * from unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::bigint[])
order by 1, 2, 3, 4
on conflict (node, pod_uid, container, generation) do update
set previous_offset = f.byte_offset, byte_offset = greatest(f.byte_offset, excluded.byte_offset),
    updated_at = now()
returning node, pod_uid, container, generation, id, previous_offset
"""

Connection = psycopg.AsyncConnection[Any]


class File(NamedTuple):
    """One log file of one container; of a sender without files, one connection."""

    node: str
    pod_uid: str
    container: str
    generation: str


class Claim(NamedTuple):
    """A file as `claim` found it: its number, and the offset up to which it was stored before, or -1."""

    id: int
    stored: int


class Row(NamedTuple):
    """One row, before it is known whether it is new.

    `written_at` is the runtime's time of the line, from which its day comes; None when there is
    none, as for a plain sender.
    """

    node: str
    namespace: str
    decky: str
    pod_uid: str
    service: str
    generation: str
    byte_offset: int
    event_id: str
    severity: int
    hostname: str
    src_ip: str | None
    src_port: int | None
    fields: str
    message: str
    raw: str | None
    occurred_at: datetime
    acknowledged: bool
    cut: bool
    written_at: datetime | None


def file_of(row: Row) -> File:
    """The file that `row` was found in."""
    return File(row.node, row.pod_uid, row.service, row.generation)


def _escaped(text: str) -> str:
    """`text` for COPY's text format."""
    if "\\" in text:
        text = text.replace("\\", "\\\\")
    if "\n" in text:
        text = text.replace("\n", "\\n")
    if "\r" in text:
        text = text.replace("\r", "\\r")
    if "\t" in text:
        text = text.replace("\t", "\\t")
    return text


def _copy_line(seq: int, day: date, file_id: int, row: Row) -> str:
    """One line of COPY's text format. Names from the envelope have no blanks or backslashes."""
    return (
        f"{seq}\t{day}\t{file_id}\t{_escaped(row.node)}\t{row.namespace}\t{row.decky}\t{row.pod_uid}\t{row.service}"
        f"\t{row.generation}\t{row.byte_offset}\t{_escaped(row.event_id)}\t{row.severity}"
        f"\t{_escaped(row.hostname)}\t{row.src_ip or NULL}"
        f"\t{NULL if row.src_port is None else row.src_port}"
        f"\t{_escaped(row.fields)}\t{_escaped(row.message)}"
        f"\t{NULL if row.raw is None else _escaped(row.raw)}\t{row.occurred_at}"
        f"\t{'t' if row.acknowledged else 'f'}\t{'t' if row.cut else 'f'}\n"
    )


async def insert(
    connection: Connection,
    rows: Sequence[tuple[date, Row]],
    claims: Mapping[File, Claim],
    known_event_ids: Sequence[str],
) -> int:
    """Store `rows` under their days; how many were new. Wakes readers when the transaction commits.

    Raises psycopg.errors.CheckViolation when a day has no partition.
    """
    text = "".join(
        [_copy_line(seq, day, claims[file_of(row)].id, row) for seq, (day, row) in enumerate(rows)]
    )
    cursor = connection.cursor()
    async with cursor.copy(_COPY) as copy:
        await copy.write(text.encode())
    await cursor.execute(_INSERT, {"known": list(known_event_ids)})
    found = await cursor.fetchone()
    await cursor.execute(f"notify {CHANNEL}")
    return int(found[0]) if found else 0


async def claim(connection: Connection, offsets: Mapping[File, int]) -> dict[File, Claim]:
    """Move each file's offset, never backwards, and lock it until the transaction ends."""
    columns = [list(column) for column in zip(*offsets, strict=True)]
    cursor = await connection.execute(_CLAIM, [*columns, list(offsets.values())])
    return {File(*row[:4]): Claim(*row[4:]) for row in await cursor.fetchall()}
