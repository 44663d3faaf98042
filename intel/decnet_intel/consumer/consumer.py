"""One consumer of events: each event's effects and the cursor are committed together, so once."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession

from decnet_intel.consumer import metrics
from decnet_intel.consumer.pace import Pace
from decnet_intel.consumer.topics import Delivery, Topics, topic_of
from decnet_intel.notify import Wake
from decnet_intel.process import background
from decnet_intel.repository import cursors, events
from decnet_intel.repository.events import Position

Handler = Callable[[AsyncSession, Sequence[Delivery]], Awaitable[None]]
"""Writes the effects of some events, in order, with the session; it must not commit. What it raises undoes them."""

_COUNTED = 100_000  # events; a lag beyond is not counted to its end
_CAREFUL_BATCH = 16  # events read for the sake of one
_LONGEST_ERROR = 2000  # characters kept of one
_OUTAGE = ("08", "25006", "40", "53", "57P", "58")
"""Beginnings of SQLSTATEs that no event is to blame for: connection, read-only, deadlock, resources, shutdown, I/O."""

log = logging.getLogger(__name__)


class _HandlerError(Exception):
    """The handler failed at these events while Postgres is well; its cause says how."""

    def __init__(self, deliveries: Sequence[Delivery], cause: Exception) -> None:
        super().__init__(f"{type(cause).__name__}: {cause}"[:_LONGEST_ERROR].replace("\0", "\\x00"))
        self.deliveries = deliveries


class Consumer:
    """Calls `handler` with every event whose topic matches, in the order (transaction, id), for ever.

    Of all processes that run a consumer of the same `name` one is active; another takes over when
    that one is gone. A new consumer begins with the oldest event that is kept, or, without
    `history`, with the next one. Events at which the handler fails are tried again, then one by one; one
    at which it still fails becomes a row of `dead_letters`, in the transaction that moves the cursor past it.
    """

    def __init__(
        self, name: str, topics: Topics, handler: Handler, *, pace: Pace | None = None, history: bool = True
    ) -> None:
        self.name = name
        self._topics = topics
        self._handler = handler
        self._pace = pace or Pace()
        self._history = history
        self._failures = 0  # in a row, at the events that are next
        self._careful_until: Position | None = None
        self._given_up: _HandlerError | None = None
        self.trouble: str | None = None
        """Why it does not get on; None when all is well."""

    async def run(self, engine: AsyncEngine, wake: Wake) -> None:
        """Consume until cancelled. `engine` has room for two connections; `wake` is run by the caller."""
        outages = 0
        while not wake.closed:
            try:
                async with engine.connect() as connection:
                    try:
                        await self._wait_for_turn(connection)
                        outages = 0
                        async with background(self._measure(engine)):
                            await self._consume(connection, wake)
                    finally:
                        metrics.ACTIVE.labels(self.name).set(0)
                        await connection.invalidate()  # the lock goes only with the connection
            except (SQLAlchemyError, OSError) as error:
                self.trouble = f"{self.name}: Postgres: {error}"
                log.warning("%s", self.trouble)
            outages += 1
            await asyncio.sleep(self._pace.pause(outages))

    async def _wait_for_turn(self, connection: AsyncConnection) -> None:
        """Until no other process is this consumer."""
        while not await cursors.take_over(connection, self.name):
            self.trouble = None
            await asyncio.sleep(self._pace.takeover)
        log.info("%s is active", self.name)
        metrics.ACTIVE.labels(self.name).set(1)

    async def _consume(self, connection: AsyncConnection, wake: Wake) -> None:
        """As long as the connection lasts. Raises SQLAlchemyError when Postgres is the reason."""
        while not wake.closed and not connection.invalidated:
            seen = wake.count
            try:
                async with AsyncSession(connection) as session, session.begin():
                    handled, moved = await self._step(session)
            except _HandlerError as error:
                await self._failed(error)
                continue
            self._failures = 0
            self.trouble = None
            metrics.EVENTS.labels(self.name).inc(handled)
            if not moved:
                await wake.wait(self._pace.poll, seen)

    async def _step(self, session: AsyncSession) -> tuple[int, bool]:
        """One transaction: how many events were handled, and whether the cursor has moved."""
        at = await cursors.position(session, self.name)
        if at is None:
            at = Position(0, 0) if self._history else await events.tip(session)
            await cursors.move(session, self.name, at)
        if self._given_up is not None:
            await self._bury(session, at, self._given_up)
            self._given_up = None
            return 0, True
        if self._careful_until is not None and at >= self._careful_until:
            self._careful_until = None
        careful = self._careful_until is not None
        limit = _CAREFUL_BATCH if careful else self._pace.batch
        page = await events.settled_after(session, at, limit, self._topics.condition)
        session.expunge_all()
        deliveries = [Delivery(topic_of(event), position, event) for position, event in page.events]
        end = page.end
        if careful and deliveries:
            deliveries = deliveries[:1]
            end = deliveries[0].position
        if deliveries:
            await self._handle(session, deliveries)
        if end != at:
            await cursors.move(session, self.name, end)
        return len(deliveries), end != at

    async def _handle(self, session: AsyncSession, deliveries: Sequence[Delivery]) -> None:
        """Raises _HandlerError, or SQLAlchemyError when Postgres is the reason."""
        try:
            async with asyncio.timeout(self._pace.handler):
                await self._handler(session, deliveries)
                await session.flush()
                await session.execute(text("set constraints all immediate"))
        except Exception as error:  # whatever a handler raises is its failure
            if _is_outage(error):
                raise
            raise _HandlerError(deliveries, error) from error

    async def _failed(self, error: _HandlerError) -> None:
        """Decide what comes next: the same again, each event alone, or the only event's burial."""
        self._failures += 1
        self.trouble = f"{self.name}: {error}"
        metrics.FAILURES.labels(self.name).inc()
        log.warning("%s failed (%d of %d)", self.name, self._failures, self._pace.tries, exc_info=error)
        if self._failures < self._pace.tries:
            await asyncio.sleep(self._pace.pause(self._failures))
            return
        self._failures = 0
        if len(error.deliveries) > 1:
            self._careful_until = error.deliveries[-1].position
        else:
            self._given_up = error

    async def _bury(self, session: AsyncSession, at: Position, error: _HandlerError) -> None:
        """Past the event that is given up, unless another process has dealt with it meanwhile."""
        [delivery] = error.deliveries
        if at >= delivery.position:
            return
        await cursors.bury(
            session, self.name, delivery.position,
            topic=delivery.topic, error=str(error), tries=self._pace.tries,
        )  # fmt: skip
        await cursors.move(session, self.name, delivery.position)
        metrics.DEAD_LETTERS.labels(self.name).inc()
        log.error("%s gave up on an event: %s", self.name, error)

    async def _measure(self, engine: AsyncEngine) -> None:
        """Keep the lag's metrics fresh until cancelled."""
        while True:
            with contextlib.suppress(SQLAlchemyError, OSError):
                async with AsyncSession(engine) as session:
                    at = await cursors.position(session, self.name)
                    lag = await events.lag(session, at or Position(0, 0), _COUNTED)
                metrics.LAG_EVENTS.labels(self.name).set(lag.events)
                metrics.LAG_SECONDS.labels(self.name).set(lag.seconds)
            await asyncio.sleep(self._pace.measure)


def _is_outage(error: Exception) -> bool:
    """Whether `error` says something of Postgres rather than of the events."""
    if not isinstance(error, DBAPIError):
        return False
    state: str | None = getattr(error.orig, "sqlstate", None)
    if state is None:  # the driver's own: a lost connection, or a value that it cannot send
        return isinstance(error, (OperationalError, InterfaceError))
    return error.connection_invalidated or state.startswith(_OUTAGE)
