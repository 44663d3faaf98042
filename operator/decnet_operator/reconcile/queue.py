"""A work queue of keys: a key is worked on by one worker at a time, and again if it was added meanwhile."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple, NoReturn

from decnet_operator import metrics
from decnet_operator.kube.errors import KubeError

log = logging.getLogger(__name__)

_FIRST_DELAY = 0.3
_LONGEST_DELAY = 60.0


class Key(NamedTuple):
    """An object to look at: `kind` is decky, host, node or request; cluster-scoped ones have no namespace."""

    kind: str
    name: str
    namespace: str = ""

    def __str__(self) -> str:
        return "/".join(part for part in self if part)


Work = Callable[[Key], Awaitable[None]]


class Queue:
    """Keys that wait; adding one that waits already changes nothing."""

    def __init__(self) -> None:
        self._ready: asyncio.Queue[Key] = asyncio.Queue()
        self._waiting: set[Key] = set()
        self._busy: set[Key] = set()
        self._failures: dict[Key, int] = {}
        self._timers: dict[Key, asyncio.TimerHandle] = {}
        self.worked_at = time.monotonic()

    def add(self, key: Key) -> None:
        """Work on `key` as soon as a worker is free."""
        if key in self._waiting:
            return
        self._waiting.add(key)
        if key not in self._busy:
            self._ready.put_nowait(key)

    def add_after(self, key: Key, seconds: float) -> None:
        """Work on `key` in `seconds`, or earlier if that was asked for before."""
        loop = asyncio.get_running_loop()
        timer = self._timers.get(key)
        if timer is not None and not timer.cancelled():
            if timer.when() <= loop.time() + seconds:
                return
            timer.cancel()
        self._timers[key] = loop.call_later(seconds, self._due, key)

    def _due(self, key: Key) -> None:
        self._timers.pop(key, None)
        self.add(key)

    def __len__(self) -> int:
        return self._ready.qsize()

    @property
    def idle(self) -> bool:
        """Nothing waits and nobody works; timers may run."""
        return not self._waiting and not self._busy

    async def work(self, work: Work) -> NoReturn:
        """One worker. A failure is logged, counted, and tried again later and later."""
        while True:
            key = await self._ready.get()
            self._waiting.discard(key)
            self._busy.add(key)
            started = time.monotonic()
            try:
                await work(key)
                self._failures.pop(key, None)
            except KubeError as error:
                self._retry(key, error, expected=True)
            except Exception as error:  # noqa: BLE001 - one object's trouble must not stop the others
                self._retry(key, error, expected=False)
            finally:
                metrics.RECONCILE_SECONDS.labels(key.kind).observe(time.monotonic() - started)
                self.worked_at = time.monotonic()
                self._busy.discard(key)
                if key in self._waiting:
                    self._ready.put_nowait(key)

    def _retry(self, key: Key, error: Exception, *, expected: bool) -> None:
        count = self._failures[key] = self._failures.get(key, 0) + 1
        delay = min(_LONGEST_DELAY, _FIRST_DELAY * 2 ** min(count - 1, 10)) * random.uniform(0.8, 1.2)  # noqa: S311
        metrics.RECONCILE_ERRORS.labels(key.kind).inc()
        log.warning("%s: %s; again in %.1f s", key, error or repr(error), delay, exc_info=not expected)
        self.add_after(key, delay)
