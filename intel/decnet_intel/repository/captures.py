"""Writing captures, and what they take up.

A decky takes up the size of all different content it captured, and CAPTURE_BYTES for each capture, so
that neither one miner dropped a thousand times nor a million empty files go past the quota.

Who changes what belongs to a node holds `lock_node`; who decides whether content is kept holds
`content_lock`, first. The latter outlives transactions, because storing content takes long and an open
transaction would hold up every reader of events.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

import psycopg

from decnet_intel.repository.ingest import Connection

CAPTURE_BYTES = 4096
"""What a capture takes up beside its content."""

_CONTENT_CLASS = 0x61727466  # first half of the advisory locks on content
_NODE_CLASS = 0x6E6F6465  # … and on what belongs to a node
_LOCK_PAUSE = 0.05  # seconds between tries

_LOCK_NODE = "select pg_advisory_xact_lock(%s, hashtext(%s))"

_BOOKED = """
select exists (select from captures where node = %(node)s and pod_uid = %(pod_uid)s
               and service = %(service)s and name = %(name)s and sha256 = %(sha256)s),
       exists (select from captures where node = %(node)s and namespace = %(namespace)s
               and decky = %(decky)s and sha256 = %(sha256)s),
       coalesce(sum(bytes) filter (where namespace = %(namespace)s and decky = %(decky)s), 0)::bigint,
       coalesce(sum(bytes), 0)::bigint
from artifact_usage where node = %(node)s
"""

_ADD_ARTIFACT = "insert into artifacts (sha256, size) values (%(sha256)s, %(size)s) on conflict do nothing"

_ADD_CAPTURE = """
insert into captures (sha256, node, namespace, decky, pod_uid, service, name, kind, captured_at, cut)
values (%(sha256)s, %(node)s, %(namespace)s, %(decky)s, %(pod_uid)s, %(service)s, %(name)s, %(kind)s,
        %(captured_at)s, %(cut)s)
"""

_BOOK = """
insert into artifact_usage as u (node, namespace, decky, bytes)
values (%(node)s, %(namespace)s, %(decky)s, %(cost)s)
on conflict (node, namespace, decky) do update set bytes = u.bytes + excluded.bytes
"""

_NOTE = "insert into artifact_losses (node, id) values (%s, %s) on conflict do nothing"

_OLD_NODES = "select distinct node from captures where stored_at < now() - %s::interval order by node"

_DROP_CAPTURES = """
with old as (
    select id from captures where node = %(node)s and stored_at < now() - %(kept)s::interval
    order by stored_at limit %(limit)s
), gone as (
    delete from captures where id in (select id from old) returning namespace, decky, sha256
)
select array_agg(distinct array[namespace, decky]), array_agg(distinct sha256) from gone
"""

_COUNT_AGAIN = """
with held as (
    select sha256, count(*) as times from captures
    where node = %(node)s and namespace = %(namespace)s and decky = %(decky)s group by sha256
)
update artifact_usage set bytes = (
    select coalesce(sum(a.size + h.times * %(each)s), 0) from held h join artifacts a using (sha256))
where node = %(node)s and namespace = %(namespace)s and decky = %(decky)s
"""

_DROP_USAGE = "delete from artifact_usage where node = %s and bytes = 0"

_DROP_ARTIFACT = """
delete from artifacts a where sha256 = %s
and not exists (select from captures c where c.sha256 = a.sha256)
"""


@dataclass(frozen=True, slots=True)
class NewCapture:
    """What is known of a capture; `size` is that of its content in bytes."""

    sha256: str
    size: int
    node: str
    namespace: str
    decky: str
    pod_uid: str
    service: str
    name: str
    kind: str
    captured_at: datetime
    cut: bool

    def parameters(self) -> dict[str, object]:
        """By column name."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Quotas:
    """Most bytes that a decky and a node may take up."""

    decky: int
    node: int


class Verdict(Enum):
    """Whether a capture may be added."""

    NEW = "new"
    KNOWN = "known"
    OVER_QUOTA = "over quota"


@contextlib.asynccontextmanager
async def content_lock(connection: Connection, sha256: str) -> AsyncIterator[None]:
    """Nobody else stores or forgets this content within the block; waits for whoever does.

    Taken by trying: a waiting statement would hold its snapshot. Ends with the connection at the latest.
    """
    while True:
        if await try_content_lock(connection, sha256):
            break
        await asyncio.sleep(_LOCK_PAUSE)
    try:
        yield
    finally:
        await unlock_content(connection, sha256)


async def try_content_lock(connection: Connection, sha256: str) -> bool:
    """Take the lock unless somebody has it; whether it is ours."""
    cursor = await connection.execute(
        "select pg_try_advisory_lock(%s, hashtext(%s))", [_CONTENT_CLASS, sha256]
    )
    found = await cursor.fetchone()
    return bool(found and found[0])


async def unlock_content(connection: Connection, sha256: str) -> None:
    """Give the lock back; a connection that broke has given it back already."""
    with contextlib.suppress(psycopg.Error):
        await connection.execute("select pg_advisory_unlock(%s, hashtext(%s))", [_CONTENT_CLASS, sha256])


async def is_kept(connection: Connection, sha256: str) -> bool:
    """Whether there is a row for the content."""
    cursor = await connection.execute("select 1 from artifacts where sha256 = %s", [sha256])
    return await cursor.fetchone() is not None


async def kept_of(connection: Connection, sha256s: list[str]) -> set[str]:
    """Which of these have a row."""
    cursor = await connection.execute("select sha256 from artifacts where sha256 = any(%s)", [sha256s])
    return {row[0] for row in await cursor.fetchall()}


async def lock_node(connection: Connection, node: str) -> None:
    """Nobody else adds or drops captures of `node` until the transaction ends."""
    await connection.execute(_LOCK_NODE, [_NODE_CLASS, node])


async def judge(connection: Connection, capture: NewCapture, quotas: Quotas) -> tuple[Verdict, int]:
    """Whether the capture may be added, and what it would take up beside what is there, in bytes."""
    cursor = await connection.execute(_BOOKED, capture.parameters())
    found = await cursor.fetchone()
    assert found is not None  # an aggregate has one row
    known, held, of_decky, of_node = found
    if known:
        return Verdict.KNOWN, 0
    cost = CAPTURE_BYTES + (0 if held else capture.size)
    over = of_decky + cost > quotas.decky or of_node + cost > quotas.node
    return (Verdict.OVER_QUOTA if over else Verdict.NEW), cost


async def add(connection: Connection, capture: NewCapture, cost: int) -> None:
    """Record what `judge` called new, within the same transaction."""
    parameters = {**capture.parameters(), "cost": cost}
    for statement in (_ADD_ARTIFACT, _ADD_CAPTURE, _BOOK):
        await connection.execute(statement, parameters)


async def note_loss(connection: Connection, node: str, loss: str) -> bool:
    """Record that the loss with this id was reported; whether that is new."""
    return (await connection.execute(_NOTE, [node, loss])).rowcount == 1


async def nodes_older_than(connection: Connection, kept: timedelta) -> list[str]:
    """The nodes that have captures older than `kept`."""
    cursor = await connection.execute(_OLD_NODES, [kept])
    return [row[0] for row in await cursor.fetchall()]


async def drop_older_than(connection: Connection, node: str, kept: timedelta, limit: int) -> list[str]:
    """Drop up to `limit` captures of `node` in one transaction; the content they were of.

    Content may have no capture any more after it.
    """
    async with connection.transaction():
        await lock_node(connection, node)
        cursor = await connection.execute(_DROP_CAPTURES, {"node": node, "kept": kept, "limit": limit})
        found = await cursor.fetchone()
        deckies, contents = found or (None, None)
        for namespace, decky in deckies or []:
            await connection.execute(
                _COUNT_AGAIN,
                {"node": node, "namespace": namespace, "decky": decky, "each": CAPTURE_BYTES},
            )
        await connection.execute(_DROP_USAGE, [node])
    return list(contents or [])


async def drop_uncaptured(connection: Connection, sha256: str) -> None:
    """Drop the content's row unless there is a capture of it."""
    await connection.execute(_DROP_ARTIFACT, [sha256])


async def uncaptured(connection: Connection, limit: int) -> list[str]:
    """Content with a row and no capture."""
    cursor = await connection.execute(
        "select sha256 from artifacts a"
        " where not exists (select from captures c where c.sha256 = a.sha256) limit %s",
        [limit],
    )
    return [row[0] for row in await cursor.fetchall()]


async def forget_losses(connection: Connection, older_than: timedelta) -> None:
    """Forget reports of losses that came longer ago; they are not sent again."""
    await connection.execute(
        "delete from artifact_losses where noted_at < now() - %s::interval", [older_than]
    )
