"""The work queue: one worker a key, nothing lost, failures later and later."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from decnet_operator.kube.errors import KubeError
from decnet_operator.reconcile import queue as queue_module
from decnet_operator.reconcile.queue import Key, Queue

ONE, TWO = Key("decky", "one", "default"), Key("decky", "two", "default")


@contextlib.asynccontextmanager
async def workers(queue: Queue, work: queue_module.Work, count: int = 4) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(queue.work(work)) for _ in range(count)]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def settle(queue: Queue) -> None:
    for _ in range(200):
        await asyncio.sleep(0.01)
        if queue.idle:
            return
    raise AssertionError("the queue does not come to rest")


async def test_a_key_is_worked_on_by_one_and_again_when_added_meanwhile() -> None:
    queue, running, seen = Queue(), 0, 0

    async def work(key: Key) -> None:
        nonlocal running, seen
        running += 1
        assert running == 1
        seen += 1
        if seen == 1:
            for _ in range(5):
                queue.add(key)
        await asyncio.sleep(0.02)
        running -= 1

    for _ in range(3):
        queue.add(ONE)
    async with workers(queue, work):
        await settle(queue)
    assert seen == 2


async def test_keys_do_not_wait_for_each_other() -> None:
    queue, done = Queue(), asyncio.Event()

    async def work(key: Key) -> None:
        if key == ONE:
            await asyncio.wait_for(done.wait(), 2)
        else:
            done.set()

    queue.add(ONE)
    queue.add(TWO)
    async with workers(queue, work):
        await settle(queue)


async def test_failures_are_repeated_and_others_go_on() -> None:
    queue = Queue()
    tries: dict[Key, int] = {ONE: 0, TWO: 0}

    async def work(key: Key) -> None:
        tries[key] += 1
        if key == ONE and tries[key] == 1:
            raise KubeError("the server is away")
        if key == ONE and tries[key] == 2:
            raise ValueError("a mistake of ours")

    queue.add(ONE)
    queue.add(TWO)
    async with workers(queue, work):
        for _ in range(300):
            await asyncio.sleep(0.01)
            if tries[ONE] == 3:
                break
    assert tries == {ONE: 3, TWO: 1}


async def test_the_earlier_of_two_times_counts() -> None:
    queue, seen = Queue(), 0

    async def work(_key: Key) -> None:
        nonlocal seen
        seen += 1

    queue.add_after(ONE, 0.05)
    queue.add_after(ONE, 30)
    queue.add_after(TWO, 30)
    queue.add_after(TWO, 0.05)
    async with workers(queue, work):
        await asyncio.sleep(0.2)
    assert seen == 2
