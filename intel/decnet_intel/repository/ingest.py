"""Writing events, each line once, in the caller's transaction: rows, files' offsets and counts.

A file is locked by moving its offset. Lines beyond the offset that was stored before are new and are
copied straight into `events`. The others may be there already: they go through a staging table and
only those that are missing are inserted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

import psycopg

from decnet_intel.repository import running_counts
from decnet_intel.repository.entries import COLUMNS, Entry, File, Source, file_text

CHANNEL = "events"
"""NOTIFY channel that says: there are new events."""

_STAGING = """
create temporary table if not exists staging (
    seq integer, day date, file_id bigint, node text, namespace text, decky text, pod_uid text,
    service text, generation text, acknowledged boolean, byte_offset bigint, cut boolean,
    occurred_at timestamptz, event_id text, severity smallint, hostname text, src_ip inet,
    src_port integer, fields jsonb, message text, raw text
) on commit delete rows
"""
_COPY = f"copy events ({COLUMNS}) from stdin"
_COPY_STAGING = f"copy staging (seq, {COLUMNS}) from stdin"
_INSERT = f"""
with fresh as (
    insert into events ({COLUMNS}) select {COLUMNS} from staging order by seq
    on conflict (file_id, byte_offset, day) do nothing
    returning file_id, byte_offset, day
)
select min(seq) from fresh join staging using (file_id, byte_offset, day)
group by file_id, byte_offset, day order by 1
"""  # noqa: S608 (only our own column names are put in)

# Before anything that gives the transaction its xid: readers go by (xid, id), and of two listeners that have
# lines of one node, as after a reconnection, the second must have the higher xid in all of its files.
_LOCK_NODES = """
select pg_advisory_xact_lock(1313817669, hashtext(node))
from (select distinct node from unnest(%s::text[]) as n (node) order by node offset 0) as nodes
"""

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

# A probe of each day's unique index for each line, whatever the planner knows of the tables.
_KNOWN = """
select f.n from unnest(%s::integer[], %s::bigint[], %s::bigint[]) as f (n, file_id, byte_offset)
cross join lateral (
    select 1 from events e where e.file_id = f.file_id and e.byte_offset = f.byte_offset limit 1) as e
"""

Connection = psycopg.AsyncConnection[Any]


class Claim(NamedTuple):
    """A file as its lock found it: its number, and the offset up to which it was stored before, or -1."""

    id: int
    stored: int


class Filed(NamedTuple):
    """The day under which lines are filed, and whether that is their own, so that the unique key knows them."""

    day: date
    own: bool


Filing = Mapping[date | None, Filed]
"""Where lines are filed, by the day they have."""


async def write(
    connection: Connection, entries: Sequence[Entry], filing: Filing, *, careful: bool = False
) -> int:
    """Store those of `entries` that are not there yet; how many that were. Wakes readers at the commit.

    With `careful` no line is taken for new. Without it, raises psycopg.errors.UniqueViolation should a
    line beyond its file's offset be there. Raises CheckViolation when a day has no partition.
    """
    offsets = _furthest(entries)
    await connection.execute(_LOCK_NODES, [[file.node for file in offsets]])
    claims = await _claim(connection, offsets)
    before, fresh, texts, after = _divide(entries, filing, {} if careful else claims, claims)
    if before:
        fresh = [*await _insert_missing(connection, before, filing, claims), *fresh]
    if texts:
        await _copy(connection, _COPY, "".join(texts))
    if after:
        fresh = [*fresh, *await _insert_missing(connection, after, filing, claims)]
    if fresh:
        await running_counts.add(connection, fresh, {day: filed.day for day, filed in filing.items()})
        await connection.execute(f"notify {CHANNEL}")
    return len(fresh)


def _furthest(entries: Sequence[Entry]) -> dict[File, int]:
    """The furthest offset of each file."""
    offsets: dict[Source, int] = {}
    last: Source | None = None
    furthest = -1
    for entry in entries:
        if entry[0] is not last:
            if last is not None:
                offsets[last] = furthest
            last = entry[0]
            furthest = offsets.get(last, -1)
        if entry[2] > furthest:
            furthest = entry[2]
    if last is not None:
        offsets[last] = furthest
    files: dict[File, int] = {}
    for source, offset in offsets.items():
        files[source.file] = max(offset, files.get(source.file, -1))
    return files


async def _claim(connection: Connection, offsets: Mapping[File, int]) -> dict[File, Claim]:
    """Move each file's offset, never backwards, and lock it until the transaction ends."""
    columns = [list(column) for column in zip(*offsets, strict=True)]
    cursor = await connection.execute(_CLAIM, [*columns, list(offsets.values())])
    return {File(*row[:4]): Claim(*row[4:]) for row in await cursor.fetchall()}


def _divide(
    entries: Sequence[Entry], filing: Filing, trusted: Mapping[File, Claim], claims: Mapping[File, Claim]
) -> tuple[list[Entry], Sequence[Entry], list[str], list[Entry]]:
    """Entries that may be there already, those that are new, their texts for COPY, and more of the first sort.

    New is what lies beyond the stored offset of a `trusted` file and beyond all before it in `entries`. To be
    written in this order, in which each container's lines keep theirs: once one that may be there follows
    a new one (a line of several records that ends after a later one), so does the rest of its container.
    """
    before: list[Entry] = []
    fresh: list[Entry] = []
    texts: list[str] = []
    after: list[Entry] = []
    reached = {file: claim.stored for file, claim in trusted.items()}
    copied: set[tuple[str, ...]] = set()
    staged: set[tuple[str, ...]] = set()
    source: Source | None = None
    day: date | None = None
    container: tuple[str, ...] = ()
    began = 0
    head = ""
    high = 0
    for entry in entries:
        if entry[0] is not source or entry[1] is not day:
            if source is not None:
                reached[source.file] = high
            if len(fresh) > began:
                copied.add(container)
            source, day = entry[0], entry[1]
            container, began = source.file[:3], len(fresh)
            high = _NEVER if container in staged else reached.get(source.file, _NEVER)
            head = file_text(source, filing[day].day, claims[source.file].id)
        if entry[2] > high:
            high = entry[2]
            fresh.append(entry)
            texts.append(head + entry[-1])
        elif container not in staged and container not in copied and len(fresh) == began:
            before.append(entry)
        else:
            high = _NEVER
            staged.add(container)
            after.append(entry)
    return before, fresh, texts, after


_NEVER = 1 << 63


async def _insert_missing(
    connection: Connection, entries: Sequence[Entry], filing: Filing, claims: Mapping[File, Claim]
) -> list[Entry]:
    """Store those of `entries` that are not there; which those are."""
    strayed = [
        (n, claims[entry[0].file].id, entry[2]) for n, entry in enumerate(entries) if not filing[entry[1]].own
    ]
    known: set[int] = set()
    if strayed:
        columns = [list(column) for column in zip(*strayed, strict=True)]
        known = {row[0] for row in await (await connection.execute(_KNOWN, columns)).fetchall()}
    texts = [
        f"{n}\t{file_text(entry[0], filing[entry[1]].day, claims[entry[0].file].id)}{entry[-1]}"
        for n, entry in enumerate(entries)
        if n not in known
    ]
    await connection.execute(_STAGING)
    await _copy(connection, _COPY_STAGING, "".join(texts))
    rows = await (await connection.execute(_INSERT)).fetchall()
    await connection.execute("delete from staging")
    return [entries[row[0]] for row in rows]


async def _copy(connection: Connection, statement: str, text: str) -> None:
    async with connection.cursor() as cursor, cursor.copy(statement) as copy:
        await copy.write(text.encode())
