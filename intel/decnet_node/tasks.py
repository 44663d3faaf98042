"""Coroutines that live and die together, and waiting for one another."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine


async def first_of(*parts: Coroutine[None, None, None]) -> None:
    """Run the coroutines until the first one ends, cancel the others, raise what it raised."""
    tasks = [asyncio.create_task(part) for part in parts]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def is_set_within(event: asyncio.Event, seconds: float) -> bool:
    """Wait `seconds` or until `event` is set; whether it is."""
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return False
    return True
