"""The forwarder as a whole: look, read, hand to the link, keep what was acknowledged."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from collections import deque
from collections.abc import Mapping

from decnet_node.forwarder.container import ContainerLog
from decnet_node.forwarder.link import Link
from decnet_node.forwarder.metrics import LagCollector, Metrics
from decnet_node.forwarder.settings import ForwarderSettings
from decnet_node.forwarder.state import FileKey, OffsetStore
from decnet_node.forwarder.tree import LogTree
from decnet_node.forwarder.window import Batch, Window
from decnet_node.http import StatusServer
from decnet_node.tasks import is_set_within

log = logging.getLogger(__name__)

_SAVE_SECONDS = 0.1
_PRUNE_SECONDS = 3600.0
_FORGET_SECONDS = 86400.0
_STALLED_SECONDS = 60.0


class Forwarder:
    """One forwarder. `run` returns after `stop` was set."""

    def __init__(self, settings: ForwarderSettings) -> None:
        self._settings = settings
        self._store = OffsetStore(settings.state_dir)
        self._window = Window(settings.window_lines, settings.window_bytes)
        self.metrics = Metrics(lambda: self._link.connected)
        self._link = Link(settings, self._window, self.metrics, self._committed)
        self._tree = LogTree(
            settings.log_root,
            settings.marker,
            settings.node,
            settings.max_line,
            settings.rules,
            self._store.recall,
        )
        self._turn: deque[ContainerLog] = deque()
        self._logs: dict[tuple[str, str], ContainerLog] = {}
        self._unsaved: dict[FileKey, int] = {}
        self._marks: dict[FileKey, int] = {}
        self._to_save = asyncio.Event()
        self._looked_at = time.monotonic()
        self._state_problem = ""
        self._closing = False
        self.metrics.registry.register(LagCollector(self._tree, self._window))
        if self._store.was_broken:
            self.metrics.state_errors.inc()

    async def run(self, stop: asyncio.Event) -> None:
        """Forward until `stop`, then wait a little for acknowledgements and keep them."""
        server = StatusServer(self.metrics.registry, self._not_alive, self._not_ready)
        async with server.serving(self._settings.http_host, self._settings.http_port) as port:
            log.info("status on port %d, listener %s", port, self._settings.listener)
            link = asyncio.create_task(self._link.run())
            saver = asyncio.create_task(self._save_for_ever())
            reader = asyncio.create_task(self._read_for_ever(stop))
            try:
                # Each runs for ever: the first to end has failed, unless we are to stop.
                await asyncio.wait((link, saver, reader), return_when=asyncio.FIRST_COMPLETED)
                if stop.is_set():
                    await self._drain()
            finally:
                link.cancel()
                reader.cancel()
                self._closing = True
                self._to_save.set()  # never cancelled: it may be in the middle of a transaction
                results = await asyncio.gather(link, saver, reader, return_exceptions=True)
                await self._save()
                self._tree.close()
                self._store.close()
        for result in results:
            if isinstance(result, Exception):
                raise result

    async def _drain(self) -> None:
        """Give the listener a moment to acknowledge what it was sent; the rest is sent after a restart."""
        deadline = time.monotonic() + self._settings.stop_seconds
        while self._link.connected and self._window.lines and time.monotonic() < deadline:
            self._link.drained.clear()
            await is_set_within(self._link.drained, deadline - time.monotonic())

    async def _read_for_ever(self, stop: asyncio.Event) -> None:
        pruned_at = time.monotonic()
        while not stop.is_set():
            started = time.monotonic()
            self._look()
            await self._read_all(started + self._settings.poll_seconds, stop)
            if time.monotonic() - pruned_at > _PRUNE_SECONDS:
                pruned_at = time.monotonic()
                self._prune()
            rest = started + self._settings.poll_seconds - time.monotonic()
            if rest > 0:
                await is_set_within(stop, rest)

    def _look(self) -> None:
        self._looked_at = time.monotonic()
        self._tree.scan()
        self._logs = {(it.container.uid, it.container.name): it for it in self._tree}

    async def _read_all(self, until: float, stop: asyncio.Event) -> None:
        """Read every container in turn, a piece each, until all are dry; look for new ones at `until`.

        Those whose turn did not come are first the next time.
        """
        known = set(self._turn)
        self._turn.extend(it for it in self._tree if it not in known)
        present = set(self._tree)
        dry: list[ContainerLog] = []
        while self._turn and not stop.is_set() and time.monotonic() < until:
            if self._window.full:
                self._link.drained.clear()
                await is_set_within(self._link.drained, self._settings.poll_seconds)
                self._looked_at = time.monotonic()
                continue
            container = self._turn.popleft()
            if container not in present:
                continue
            batch = container.read()
            self._count(container, batch)
            if batch is None:
                dry.append(container)
                if marks := container.overdue():
                    self._marks.update(marks)
                    self._to_save.set()
                continue
            self._turn.append(container)
            self._committed(self._window.push(batch))
            self._link.filled.set()
            await asyncio.sleep(0)  # let the link send and hear
        self._turn.extend(dry)

    def _count(self, container: ContainerLog, batch: Batch | None) -> None:
        if container.unreadable:
            self.metrics.unreadable.inc(container.unreadable)
            container.unreadable = 0
        for reason, count in container.take_suppressed().items():
            self.metrics.suppressed.labels(reason).inc(count)
        if batch is not None:
            self.metrics.read.inc(batch.count)
            self.metrics.cut.inc(batch.cut)

    def _committed(self, commits: Mapping[FileKey, int]) -> None:
        if commits:
            self._unsaved.update(commits)
            self._to_save.set()

    async def _save_for_ever(self) -> None:
        while not self._closing:
            await self._to_save.wait()
            self._to_save.clear()
            await self._save()
            await asyncio.sleep(_SAVE_SECONDS)

    async def _save(self) -> None:
        """Write what was acknowledged, and marks. A failure (a full disk) keeps the offsets for the next time."""
        positions, self._unsaved = self._unsaved, {}
        marks, self._marks = self._marks, {}
        if not positions and not marks:
            return
        try:
            await asyncio.to_thread(self._store.save, positions, marks)
            self._state_problem = ""
            self._settle(marks, durable=True)
        except (OSError, sqlite3.Error) as error:
            self._settle(marks, durable=False)
            self._unsaved = {**positions, **self._unsaved}
            self._to_save.set()
            self._state_problem = f"offsets cannot be written: {error}"
            self.metrics.state_errors.inc()
            log.warning("%s", self._state_problem)
            await asyncio.sleep(1)

    def _settle(self, marks: Mapping[FileKey, int], *, durable: bool) -> None:
        for uid, name in {(key.uid, key.container) for key in marks}:
            if (container := self._logs.get((uid, name))) is not None:
                container.settle(durable=durable)

    def _prune(self) -> None:
        try:
            self._store.prune(self._tree.uids(), _FORGET_SECONDS)
        except (OSError, sqlite3.Error) as error:
            log.warning("old offsets stay: %s", error)

    def _not_alive(self) -> list[str]:
        still = time.monotonic() - self._looked_at
        return [f"no look at the files for {still:.0f} s"] if still > _STALLED_SECONDS else []

    def _not_ready(self) -> list[str]:
        wrong = [] if self._link.connected else [f"listener: {self._link.problem}"]
        return [*wrong, self._state_problem] if self._state_problem else wrong
