"""The collector as a whole: look into the spools, copy, send."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from collections import deque

from decnet_node.collector.index import Origin
from decnet_node.collector.intake import Intake
from decnet_node.collector.metrics import Metrics, StoreCollector
from decnet_node.collector.settings import CollectorSettings
from decnet_node.collector.spools import Spool, SpoolTree
from decnet_node.collector.store import Store
from decnet_node.collector.upload import Upload
from decnet_node.http import StatusServer
from decnet_node.tasks import first_of, is_set_within

log = logging.getLogger(__name__)

_STALLED_SECONDS = 120.0
_PAUSE_SECONDS = 1.0


class Collector:
    """One collector. `run` returns after `stop` was set."""

    def __init__(self, settings: CollectorSettings) -> None:
        self._settings = settings
        self._store = Store(settings.state_dir, settings.decky_bytes, settings.node_bytes, settings.keep_free)
        self.metrics = Metrics(lambda: self._upload.connected)
        self._upload = Upload(settings, self._store, self.metrics)
        self._tree = SpoolTree(settings.log_root, settings.pods_root, settings.marker, self._store)
        self._intake = Intake(self._tree, self._store, settings.max_file, self.metrics)
        self._due: dict[Origin, float] = {}
        self._blocked: set[Origin] = set()
        self._looked_at = time.monotonic()
        self._problem = ""
        self.metrics.registry.register(StoreCollector(self._store))
        if self._store.was_broken:
            self.metrics.state_errors.inc()

    async def run(self, stop: asyncio.Event) -> None:
        """Collect until `stop`. What waits then waits for the next start."""
        server = StatusServer(self.metrics.registry, self._not_alive, self._not_ready)
        try:
            async with server.serving(self._settings.http_host, self._settings.http_port) as port:
                log.info("status on port %d, listener %s", port, self._settings.listener)
                await first_of(self._upload.run(), self._collect(stop))
        finally:
            # A thread that was at work when its task was cancelled ends before the store is closed.
            await asyncio.get_running_loop().shutdown_default_executor()
            self._store.close()

    async def _collect(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            started = time.monotonic()
            self._looked_at = started
            try:
                spools = await asyncio.to_thread(self._tree.scan)
                await self._empty(spools, started + self._settings.poll_seconds, stop)
            except OSError as error:
                self._complain(f"spools cannot be listed: {error}")
            rest = started + self._settings.poll_seconds - time.monotonic()
            if rest > 0:
                await is_set_within(stop, rest)

    async def _empty(self, spools: list[Spool], until: float, stop: asyncio.Event) -> None:
        """A piece of every spool in turn, until all are empty; look for new ones at `until`."""
        present = {spool.origin for spool in spools}
        self._intake.forget(present)
        self._due = {origin: due for origin, due in self._due.items() if origin in present}
        self._blocked &= present
        if not self._blocked:
            self._problem = ""
        ready = deque(spools)
        first = len(ready)
        while ready and not stop.is_set() and (first > 0 or time.monotonic() < until):
            first -= 1
            spool = ready.popleft()
            if self._due.get(spool.origin, 0.0) > time.monotonic():
                continue
            if await self._turn(spool):
                ready.append(spool)

    async def _turn(self, spool: Spool) -> bool:
        """Take a piece of one spool; whether there is more."""
        started = time.monotonic()
        self._looked_at = started
        try:
            turn = await asyncio.to_thread(self._intake.turn, spool)
        except (OSError, sqlite3.Error) as error:
            self._complain(f"files stay in the spools: {error}")
            self._due[spool.origin] = started + _PAUSE_SECONDS
            self._blocked.add(spool.origin)
            return False
        self._blocked.discard(spool.origin)
        if turn.bytes:
            # A spool that is filled without end must not use up the disk's speed.
            self._due[spool.origin] = started + turn.bytes / self._settings.copy_rate
            self._upload.filled.set()
        return turn.more

    def _complain(self, problem: str) -> None:
        if problem != self._problem:
            log.warning("%s", problem)
        self._problem = problem
        self.metrics.state_errors.inc()

    def _not_alive(self) -> list[str]:
        still = time.monotonic() - self._looked_at
        return [f"no look at the spools for {still:.0f} s"] if still > _STALLED_SECONDS else []

    def _not_ready(self) -> list[str]:
        wrong = [] if self._upload.connected else [f"listener: {self._upload.problem}"]
        return [*wrong, self._problem] if self._problem else wrong
