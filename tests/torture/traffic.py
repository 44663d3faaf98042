"""The containers of all deckies, writing at a bounded rate while the pipe keeps up."""

from __future__ import annotations

import queue
import random
import time
import uuid
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any

from torture.cri_log import ROTATE_BYTES, CriLog
from torture.ledger import Ledger, Place
from torture.lines import Source
from torture.pipe import Ground
from torture.schedule import NODES

SERVICES = ("persona", "ssh", "http")
_LINES_A_TURN = 40


class Traffic:
    """Writes `lines` lines by calls of `turn`. Only the thread that calls it touches the log files."""

    def __init__(
        self,
        ground: Ground,
        ledger: Ledger,
        seed: int,
        lines: int,
        containers: int,
        rate: int,
        saved: Callable[[int, Place, str], int] | None = None,
    ) -> None:
        self.lines = lines
        self.written = 0
        self.by_node: list[list[CriLog]] = [[] for _ in range(NODES)]
        self._ledger = ledger
        self._rate = rate
        self._saved = saved
        self._dice = random.Random(f"traffic {seed}")
        self._work: queue.SimpleQueue[tuple[Callable[[], Any], Future[Any]]] = queue.SimpleQueue()
        self._busy_seconds = 0.0
        self._began = time.monotonic()
        for n in range(containers):
            self._add(ground, seed, n)
        self.logs = [log for logs in self.by_node for log in logs]

    def _add(self, ground: Ground, seed: int, n: int) -> None:
        """Every pod has the container by which a decky is known."""
        node, pod, service = (
            n // len(SERVICES) % NODES,
            f"web-{n // len(SERVICES)}",
            SERVICES[n % len(SERVICES)],
        )
        uid = str(uuid.UUID(int=random.Random(f"{seed} {pod}").getrandbits(128)))
        account = self._ledger.account((uid, service))
        name = f"{seed} {pod} {service}"
        source = Source(name, pod, service)
        directory = ground.pods(node) / f"decnet_{pod}_{uid}" / service
        saved = None if self._saved is None else partial(self._saved, node, account.place)
        self.by_node[node].append(CriLog(directory, account, source, ground.node_clocks[node], name, saved))

    @property
    def pending(self) -> int:
        """Lines that have not arrived."""
        return self.written - self._ledger.arrived

    def turn(self) -> None:
        """A few lines of one container, not faster than the rate."""
        self.work()
        log = self._dice.choice(self.logs)
        before = len(log.account)
        log.write(min(self._dice.randint(1, _LINES_A_TURN), self.lines - self.written))
        self.written += len(log.account) - before
        if log.size > ROTATE_BYTES:
            log.rotate()
        # What is late is made up for, but only for a second.
        self._busy_seconds = max(self._busy_seconds, time.monotonic() - self._began - 1)
        self._busy_seconds += (len(log.account) - before) / self._rate
        ahead = self._busy_seconds - (time.monotonic() - self._began)
        if ahead > 0.01:
            time.sleep(ahead)

    def work(self) -> None:
        """Do what was asked for by `do`."""
        while not self._work.empty():
            call, future = self._work.get()
            try:
                future.set_result(call())
            except BaseException as error:  # noqa: BLE001 - told to who asked
                future.set_exception(error)

    def do(self, call: Callable[[], Any]) -> Any:
        """Have the writing thread call `call`; waits for it and gives its result."""
        future: Future[Any] = Future()
        self._work.put((call, future))
        return future.result()

    def finish(self) -> None:
        """Write what is held back."""
        for log in self.logs:
            log.finish()

    def close(self) -> None:
        """Close the files."""
        for log in self.logs:
            log.close()
