"""A listener process under attack, and a well-behaved node that must not notice."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from intel_lab import Lab, Pair, event_line, framed, is_ready, make_lab
from psycopg.rows import dict_row

LIMITS: dict[str, Any] = {
    "buffer_bytes": 4 << 20,
    "frame_seconds": 1.0,
    "handshake_seconds": 1.5,
    "ack_seconds": 2.0,
    "max_handshakes": 16,
    "max_connections": 24,
}
MOST_MEMORY = 192 << 20  # bytes: what the process needs at rest, its buffer, and room
LONGEST_WAIT = 10.0  # seconds for the well-behaved node's acknowledgement, on a busy machine


@dataclass
class Target:
    """The listener process and what its tests need."""

    lab: Lab
    process: subprocess.Popen[bytes]

    def memory(self) -> int:
        """The most resident memory that the process ever had, in bytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        [line] = [line for line in status.splitlines() if line.startswith("VmHWM:")]
        return int(line.split()[1]) * 1024

    def enrol(self, node: str) -> Pair:
        """A certificate of `node`, pinned."""
        pair = self.lab.ca.issue(node)
        self.lab.pin(node, pair.sha256, notify=False)
        return pair

    def rows(self, node: str) -> list[dict[str, Any]]:
        """The rows of `node`, in the order in which they were stored."""
        with psycopg.connect(self.lab.url, row_factory=dict_row, autocommit=True) as connection:
            return connection.execute("select * from events where node = %s order by id", [node]).fetchall()


@contextlib.contextmanager
def target(url: str, folder: Path) -> Iterator[Target]:
    """`decnet-intel listener` as it is in production, with limits that a test can reach."""
    lab = make_lab(url, folder, **LIMITS)
    names = ("host", "port", "tls_cert", "tls_key", "tls_ca", "status_host", "status_port", *LIMITS)
    settings = {f"DECNET_LISTENER_{name.upper()}": str(getattr(lab.settings, name)) for name in names}
    process = subprocess.Popen(
        [sys.executable, "-m", "decnet_intel.main", "listener"],
        env={**os.environ, **settings, "DECNET_DATABASE_URL": url},
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 60
        while not asyncio.run(is_ready(lab)):
            assert process.poll() is None, "the listener ended"
            assert time.monotonic() < deadline, "the listener is not ready"
            time.sleep(0.2)
        yield Target(lab, process)
    finally:
        process.kill()
        process.wait()


class Bystander:
    """A node that sends a line, waits for its acknowledgement, and sends the next."""

    NODE = "bystander"
    _offset = 0

    def __init__(self) -> None:
        self.acknowledged = 0
        self.going = True
        self.longest = 0.0
        """Seconds that the slowest acknowledgement took."""

    async def run(self, target: Target, pair: Pair) -> None:
        """Until `going` is no more. Raises ConnectionError or TimeoutError when the listener fails it."""
        async with target.lab.sender(pair) as sender:
            while self.going:
                Bystander._offset += 1
                started = time.monotonic()
                text = event_line(str(Bystander._offset))
                await sender.send(framed(Bystander._offset, text, node=self.NODE, uid="bystander"))
                await sender.acks(sender.acknowledged + 1, LONGEST_WAIT)
                self.longest = max(self.longest, time.monotonic() - started)
                self.acknowledged += 1
                await asyncio.sleep(0.01)

    @classmethod
    def sent(cls) -> list[str]:
        """The texts of all its lines so far."""
        return [str(n) for n in range(1, cls._offset + 1)]


@contextlib.asynccontextmanager
async def undisturbed(target: Target, pair: Pair) -> AsyncIterator[Bystander]:
    """The block is an attack: before, during and after it the bystander gets its acknowledgements."""
    bystander = Bystander()
    running = asyncio.create_task(bystander.run(target, pair))

    async def acknowledges_more() -> None:
        goal = bystander.acknowledged + 2
        while bystander.acknowledged < goal:
            assert not running.done(), running.exception()
            await asyncio.sleep(0.01)

    try:
        async with asyncio.timeout(2 * LONGEST_WAIT):
            await acknowledges_more()
        yield bystander
        async with asyncio.timeout(2 * LONGEST_WAIT):
            await acknowledges_more()
    finally:
        bystander.going = False
        await running
    assert bystander.longest < LONGEST_WAIT
    assert target.process.poll() is None
    assert target.memory() < MOST_MEMORY
