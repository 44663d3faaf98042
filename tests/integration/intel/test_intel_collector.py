"""The real collector and the real listener: from a spool in a pod to the store, whoever dies."""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from artifact_lab import make_site
from collector_lab import (
    CollectorProcess,
    Decky,
    assert_stored_once,
    captures,
    difference,
    expected_of,
    lost,
)
from intel_lab import eventually

from torture.proxy import Network, Proxy, Trap

MIB = 1024 * 1024


NOBODY = 1
"""A port on which nobody listens."""


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    """What stands between collector and listener and breaks connections."""
    network = Network()
    it = Proxy(network, NOBODY)
    yield it
    network.close()
    it._socket.close()


async def test_files_arrive_whole_and_nothing_is_left(postgres_url: str, tmp_path: Path) -> None:
    site = make_site(postgres_url, tmp_path)
    dice = random.Random(1)
    deckies = [Decky(tmp_path, f"web-{number}") for number in range(3)]
    collector = CollectorProcess(site, tmp_path)
    async with site.running(), collector.running():
        for decky in deckies:
            for number, size in enumerate((0, 1, 1000, MIB, MIB + 1, 9 * MIB + 3)):
                decky.put(f"file-{decky.pod}-{number}", dice.randbytes(size))
        deckies[0].put("file-same-1", b"same")
        deckies[1].put("file-same-1", b"same")
        await eventually(lambda: captures(site) >= expected_of(deckies), "all are there", 40)
        await eventually(lambda: not collector.disk(), "nothing waits")
        assert await collector.get("/readyz") == (200, "ok\n")
        assert await collector.metric("files_stored_total") == len(expected_of(deckies))
        assert await collector.metric("waiting_files") == 0
        assert await collector.end() == 0
    assert_stored_once(site, deckies)
    assert not any(decky.left() for decky in deckies)
    assert lost(site) == {"bytes": 0, "count": 0}


async def _fill(decky: Decky, dice: random.Random, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    number = 0
    while time.monotonic() < deadline:
        number += 1
        size = dice.choice((0, 50, 5_000, 200_000, 200_000, 3 * MIB))
        await asyncio.to_thread(decky.put, f"session-{number}-0001.cast", dice.randbytes(size))
        await asyncio.sleep(dice.uniform(0.05, 0.3))


@pytest.mark.parametrize("seed", [1, 2])
async def test_once_whoever_dies_wherever_the_connection_breaks(
    postgres_url: str, tmp_path: Path, proxy: Proxy, seed: int
) -> None:
    site = make_site(postgres_url, tmp_path)
    dice = random.Random(seed)
    deckies = [Decky(tmp_path, f"web-{number}") for number in range(3)]
    proxy.target = site.lab.port
    collector = CollectorProcess(site, tmp_path, proxy.port, reply_seconds=5)
    async with collector.running():
        filling = [
            asyncio.create_task(_fill(decky, random.Random(seed * 10 + n), 12))
            for n, decky in enumerate(deckies)
        ]
        faults = 0
        while not all(task.done() for task in filling):
            async with site.running() as listener:
                for _ in range(4):
                    await asyncio.sleep(dice.uniform(0, 0.9))
                    direction = dice.choice(("up", "up", "down"))
                    proxy.trap = Trap(
                        "reset", direction, dice.randint(1, 2_000_000 if direction == "up" else 3000)
                    )
                    await asyncio.sleep(dice.uniform(0, 0.9))
                    await collector.end(signal.SIGKILL)
                    faults += 2
                    await collector.start()
                listener.kill()
        await asyncio.gather(*filling)
        proxy.trap = None
        async with site.running():
            with contextlib.suppress(TimeoutError):
                await eventually(lambda: captures(site) >= expected_of(deckies), "all are there", 60)
            assert captures(site) == expected_of(deckies), difference(site, deckies)
            await eventually(lambda: not collector.disk(), "nothing waits")
            assert await collector.end() == 0
    assert_stored_once(site, deckies)
    assert not any(decky.left() for decky in deckies)
    assert lost(site) == {"bytes": 0, "count": 0}
    assert faults >= 8


async def test_a_damaged_copy_is_told_and_holds_nobody_up(postgres_url: str, tmp_path: Path) -> None:
    site = make_site(postgres_url, tmp_path)
    decky = Decky(tmp_path, "web")
    collector = CollectorProcess(site, tmp_path)
    async with collector.running():
        damaged = decky.put("file-a-1", b"x" * 3 * MIB)
        gone = decky.put("file-a-2", b"y" * 5000)
        good = decky.put("file-a-3", b"z" * 5000)
        await eventually(lambda: not decky.left(), "all are copied")
        content = collector.state / "content"
        (content / damaged[2]).write_bytes(b"x" * (3 * MIB - 1) + b"!")
        (content / gone[2]).unlink()
        async with site.running():
            await eventually(lambda: len(site.events("artifact_lost")) >= 2, "two are lost", 30)
            await eventually(lambda: good in captures(site), "the good one is there")
    assert captures(site) == {good}
    assert {it["fields"]["reason"] for it in site.events("artifact_lost")} == {"corrupt"}
    assert lost(site) == {"bytes": 3 * MIB + 5000, "count": 2}


async def test_bytes_damaged_at_the_listener_are_sent_again(
    postgres_url: str, tmp_path: Path, proxy: Proxy
) -> None:
    site = make_site(postgres_url, tmp_path)
    decky = Decky(tmp_path, "web")
    proxy.target = site.lab.port
    collector = CollectorProcess(site, tmp_path, proxy.port, reply_seconds=5)
    async with collector.running():
        async with site.running():
            proxy.trap = Trap("reset", "up", 6 * MIB)
            decky.put("file-a-1", random.Random(7).randbytes(8 * MIB))
            await eventually(lambda: proxy.trap is None, "the connection broke")
            proxy.target = NOBODY  # until the damage is done
        (partial,) = site.incoming()
        with partial.open("r+b") as file:
            file.write(b"damage")
        proxy.target = site.lab.port
        async with site.running():
            await eventually(lambda: captures(site) == decky.expected, "it is there", 40)
    assert_stored_once(site, [decky])
    assert lost(site) == {"bytes": 0, "count": 0}
