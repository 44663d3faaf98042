"""What the listener decides of artifacts: keeps content, records captures and losses, with their events.

Each of it waits for as long as Postgres or the store is away and the client is there. Nothing is answered
before its transaction is committed, and no row is committed before its content is durable.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import TypeVar

import psycopg

from decnet_events.envelope import Envelope, format_envelope
from decnet_events.rfc5424 import Line, format_line, format_timestamp
from decnet_events.transfer import Lost, Offer
from decnet_intel.artifacts.store import ContentStore
from decnet_intel.database import connect
from decnet_intel.listener import metrics
from decnet_intel.listener.store import Store
from decnet_intel.repository import captures
from decnet_intel.repository.captures import NewCapture, Quotas, Verdict
from decnet_intel.repository.entries import Row, entry_of
from decnet_intel.repository.ingest import Connection
from decnet_intel.service.lines import LineReader
from decnet_intel.settings import ListenerSettings

_SESSIONS = 4  # connections to Postgres, so that many uploads that end at once do not take them all
_FIRST_PAUSE = 0.1  # seconds before the second try
_LONGEST_PAUSE = 5.0
_MAX_CLOCK_ERROR = timedelta(hours=1)

_Answer = TypeVar("_Answer")

log = logging.getLogger(__name__)


class GoneError(Exception):
    """The client has gone while we waited."""


class Kept(Enum):
    """What became of an offer."""

    STORED = "stored"
    QUOTA = "quota"
    MISSING = "missing"
    """The content has to be sent."""


@dataclass(frozen=True, slots=True)
class _Session:
    """A connection to Postgres that can also write events."""

    connection: Connection
    events: Store


class Keeper:
    """Shared by all connections of a listener."""

    def __init__(self, settings: ListenerSettings, store: ContentStore) -> None:
        self._settings = settings
        self._store = store
        self._quotas = Quotas(settings.artifacts_decky_bytes, settings.artifacts_node_bytes)
        self._sessions: asyncio.LifoQueue[_Session | None] = asyncio.LifoQueue()
        for _ in range(_SESSIONS):
            self._sessions.put_nowait(None)

    async def keep(self, node: str, offer: Offer, file: Path | None, is_gone: Callable[[], bool]) -> Kept:
        """Record the capture; `file` is the content, verified and synced, when it was sent.

        Without `file` and without the content in the store the answer is MISSING. Raises GoneError.
        """
        capture = _capture_of(node, offer)

        async def work(session: _Session) -> Kept:
            return await self._keep(session, capture, file)

        return await self._insist(work, is_gone)

    async def note(self, node: str, lost: Lost, is_gone: Callable[[], bool]) -> None:
        """Record a loss, once. Raises GoneError."""

        async def work(session: _Session) -> None:
            async with asyncio.timeout(self._settings.transaction_seconds), session.connection.transaction():
                if await captures.note_loss(session.connection, node, lost.id):
                    await session.events.save([entry_of(_event_of_loss(node, lost))])

        await self._insist(work, is_gone)

    async def close(self) -> None:
        """Close the connections that are not in use."""
        while not self._sessions.empty():
            session = self._sessions.get_nowait()
            if session is not None:
                await session.connection.close()

    async def _insist(
        self, work: Callable[[_Session], Awaitable[_Answer]], is_gone: Callable[[], bool]
    ) -> _Answer:
        """What `work` gives, tried again on a new connection for as long as the client is there."""
        pause = _FIRST_PAUSE
        while not is_gone():
            try:
                return await self._with_session(work)
            except (psycopg.Error, OSError) as error:  # TimeoutError and StoreError are OSErrors
                metrics.ARTIFACT_RETRIES.inc()
                log.warning("cannot record an artifact: %s; trying again in %.1f s", error, pause)
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)
        raise GoneError

    async def _with_session(self, work: Callable[[_Session], Awaitable[_Answer]]) -> _Answer:
        session = await self._sessions.get()
        healthy = False
        try:
            if session is None:
                session = await self._open()
            answer = await work(session)
            healthy = True
            return answer
        finally:
            if session is not None and not healthy:
                await session.connection.close()
            self._sessions.put_nowait(session if healthy else None)

    async def _open(self) -> _Session:
        connection = await connect(self._settings, "decnet-listener-artifacts")
        try:
            events = Store(connection, self._settings.retention_days)
            await events.open()
        except BaseException:
            await connection.close()
            raise
        return _Session(connection, events)

    async def _keep(self, session: _Session, capture: NewCapture, file: Path | None) -> Kept:
        connection = session.connection
        async with captures.content_lock(connection, capture.sha256):
            verdict, _ = await captures.judge(connection, capture, self._quotas)
            if verdict is Verdict.OVER_QUOTA:  # said early, so that nothing is sent for nothing
                return Kept.QUOTA
            if not await self._store.has(capture.sha256, capture.size):
                if file is None:
                    return Kept.MISSING
                await self._store.put(capture.sha256, file)
            kept = await self._record(session, capture)
            if kept is Kept.QUOTA and not await captures.is_kept(connection, capture.sha256):
                await self._store.delete(capture.sha256)
            return kept

    async def _record(self, session: _Session, capture: NewCapture) -> Kept:
        connection = session.connection
        async with asyncio.timeout(self._settings.transaction_seconds), connection.transaction():
            await captures.lock_node(connection, capture.node)
            verdict, cost = await captures.judge(connection, capture, self._quotas)
            if verdict is Verdict.OVER_QUOTA:
                return Kept.QUOTA
            if verdict is Verdict.NEW:
                await captures.add(connection, capture, cost)
                await session.events.save([entry_of(_event_of_capture(capture))])
        return Kept.STORED


def _capture_of(node: str, offer: Offer) -> NewCapture:
    now = datetime.now(UTC)
    return NewCapture(
        sha256=offer.sha256,
        size=offer.size,
        node=node,
        namespace=offer.namespace,
        decky=offer.pod,
        pod_uid=offer.uid,
        service=offer.container,
        name=offer.name,
        kind=offer.kind,
        captured_at=min(offer.modified, now + _MAX_CLOCK_ERROR),
        cut=offer.cut,
    )


def _event_of_capture(it: NewCapture) -> Row:
    fields = {
        "sha256": it.sha256,
        "size": str(it.size),
        "name": it.name,
        "kind": it.kind,
        "cut": "true" if it.cut else "false",
    }
    unique = hashlib.sha256(f"{it.name} {it.sha256}".encode()).hexdigest()[:32]
    return _event(
        it.node,
        it.namespace,
        it.decky,
        it.pod_uid,
        it.service,
        f"artifact:{unique}",
        "artifact_stored",
        fields,
    )


def _event_of_loss(node: str, it: Lost) -> Row:
    fields = {"reason": it.reason, "kind": it.kind, "bytes": str(it.bytes), "count": str(it.count)}
    if it.name:
        fields["name"] = it.name
    return _event(node, it.namespace, it.pod, it.uid, it.container, f"lost:{it.id}", "artifact_lost", fields)


def _event(
    node: str,
    namespace: str,
    decky: str,
    uid: str,
    service: str,
    gen: str,
    event_id: str,
    fields: dict[str, str],
) -> Row:
    """The row of an event of ours, made by the way that every line goes.

    `gen` is short, as the runtime's times are: that is why it has no name of a file in it.
    """
    now = datetime.now(UTC)
    line = format_line(Line(decky, service, event_id, fields, "", now))
    it = Envelope(namespace, decky, uid, service, gen, 0, format_timestamp(now), "stdout", False, node, line)
    return LineReader(node, gen, acknowledged=True).read(format_envelope(it), now)
