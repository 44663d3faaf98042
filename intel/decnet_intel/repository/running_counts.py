"""The running counts that keep statistics cheap: what new events add to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import psycopg

from decnet_events.registry import EVENTS
from decnet_intel.repository.entries import RAW, Entry, Source

OTHER = "other"
"""Under this, event ids that are not registered are counted: their number has no end."""

_COUNTED_IDS = frozenset((*EVENTS, RAW))
_HOUR = len("2026-01-01T00")

# Sorted by their keys, so that two listeners lock the counters in the same order.
_EVENTS = """
insert into event_counts as c (hour, node, namespace, decky, service, event_id, events, credentials, last_at)
select * from unnest(
    %s::timestamptz[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::bigint[],
    %s::bigint[], %s::timestamptz[])
order by 1, 2, 3, 4, 5, 6
on conflict (hour, node, namespace, decky, service, event_id) do update
set events = c.events + excluded.events, credentials = c.credentials + excluded.credentials,
    last_at = greatest(c.last_at, excluded.last_at)
"""
_SOURCES = """
insert into source_counts as s (day, src_ip, events, last_at)
select * from unnest(%s::date[], %s::inet[], %s::bigint[], %s::timestamptz[]) order by 1, 2
on conflict (day, src_ip) do update
set events = s.events + excluded.events, last_at = greatest(s.last_at, excluded.last_at)
"""

_Events = dict[tuple[str, str, str, str, str, str], tuple[int, int, str]]
_Sources = dict[tuple[date, str], tuple[int, str]]


async def add(
    connection: psycopg.AsyncConnection[Any], entries: Sequence[Entry], days: Mapping[date | None, date]
) -> None:
    """Count `entries`, in the caller's transaction; `days` says under which day each is filed."""
    events, sources = _counted(entries, days)
    await connection.execute(_EVENTS, _columns(events))
    if sources:
        await connection.execute(_SOURCES, _columns(sources))


def _counted(entries: Sequence[Entry], days: Mapping[date | None, date]) -> tuple[_Events, _Sources]:
    """Number, number with a secret and last time by hour, place and event id; number and last time by address."""
    kinds: dict[tuple[Source, str, str], list[Any]] = {}
    addresses: dict[tuple[date | None, str], list[Any]] = {}
    for source, day, _, event_id, at, address, secret, _ in entries:
        key = (source, event_id, at[:_HOUR])
        kind = kinds.get(key)
        if kind is None:
            kinds[key] = [1, int(secret), at]
        else:
            kind[0] += 1
            if secret:
                kind[1] += 1
            if at > kind[2]:
                kind[2] = at
        if address is not None:
            found = addresses.get((day, address))
            if found is None:
                addresses[day, address] = [1, at]
            else:
                found[0] += 1
                if at > found[1]:
                    found[1] = at
    return _by_place(kinds), _by_day(addresses, days)


def _by_place(kinds: Mapping[tuple[Source, str, str], list[Any]]) -> _Events:
    """Files of one container are one place, and unregistered ids one kind."""
    events: _Events = {}
    for (source, event_id, hour), (number, secrets, last) in kinds.items():
        kind = event_id if event_id in _COUNTED_IDS else OTHER
        file = source.file
        place = (f"{hour}:00:00Z", file.node, source.namespace, source.decky, file.container, kind)
        before = events.get(place, (0, 0, ""))
        events[place] = (before[0] + number, before[1] + secrets, max(before[2], last))
    return events


def _by_day(
    addresses: Mapping[tuple[date | None, str], list[Any]], days: Mapping[date | None, date]
) -> _Sources:
    sources: _Sources = {}
    for (day, address), (number, last) in addresses.items():
        place = (days[day], address)
        before = sources.get(place, (0, ""))
        sources[place] = (before[0] + number, max(before[1], last))
    return sources


def _columns(counted: _Events | _Sources) -> list[list[Any]]:
    """What is counted, column by column."""
    return [list(column) for column in zip(*((*key, *value) for key, value in counted.items()), strict=True)]
