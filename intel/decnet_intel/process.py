"""What every long-running process does: log, beat, and end cleanly on SIGTERM."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from decnet_intel.repository import heartbeats

BEAT_SECONDS = 10.0

log = logging.getLogger(__name__)


def stop_event() -> asyncio.Event:
    """Set at the first SIGTERM or SIGINT."""
    event = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, event.set)
    return event


@contextlib.asynccontextmanager
async def background(*work: Coroutine[Any, Any, None]) -> AsyncIterator[asyncio.Future[None]]:
    """Run `work` within the block and cancel it after. The future fails when one of them does."""
    failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    tasks = [asyncio.create_task(item) for item in work]

    def ended(task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) and not failed.done():
            log.critical("a part of the process failed", exc_info=error)
            failed.set_exception(error)

    for task in tasks:
        task.add_done_callback(ended)
    try:
        yield failed
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        failed.cancel()


async def until_stopped(stop: asyncio.Event, failed: asyncio.Future[None]) -> None:
    """Wait for the signal. Raises what a background task raised: the process is to be restarted."""
    waiting = asyncio.create_task(stop.wait())
    try:
        either: set[asyncio.Future[Any]] = {waiting, failed}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
    if failed.done():
        failed.result()


async def keep_beating(
    engine: AsyncEngine, component: str, instance: str, detail: Callable[[], dict[str, Any]]
) -> None:
    """Write a sign of life until cancelled; silent while Postgres is away."""
    while True:
        with contextlib.suppress(SQLAlchemyError, OSError):
            async with AsyncSession(engine) as session, session.begin():
                await heartbeats.beat(session, component, instance, detail())
        await asyncio.sleep(BEAT_SECONDS)
