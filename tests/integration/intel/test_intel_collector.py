"""The real collector and the real listener: from a spool in a pod to the store, whoever dies."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import random
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from artifact_lab import Site, make_site
from collector_lab import Capture, CollectorProcess, Decky, captures, lost
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


def _difference(site: Site, deckies: list[Decky]) -> str:
    expected, found = _expected(deckies), captures(site)
    return f"missing {sorted(expected - found)[:3]}, unknown {sorted(found - expected)[:3]}"


def _expected(deckies: list[Decky]) -> set[Capture]:
    return {capture for decky in deckies for capture in decky.expected}


def _assert_stored_once(site: Site, deckies: list[Decky]) -> None:
    assert captures(site) == _expected(deckies), _difference(site, deckies)
    assert len(site.captures()) == len(site.events("artifact_stored")) == len(_expected(deckies))
    kept = site.kept()
    assert kept.keys() == {sha256 for _, _, sha256 in _expected(deckies)}
    assert all(hashlib.sha256(data).hexdigest() == name for name, data in kept.items())


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
        await eventually(lambda: captures(site) >= _expected(deckies), "all are there", 40)
        await eventually(lambda: not collector.disk(), "nothing waits")
        assert await collector.get("/readyz") == (200, "ok\n")
        assert await collector.metric("files_stored_total") == len(_expected(deckies))
        assert await collector.metric("waiting_files") == 0
        assert await collector.end() == 0
    _assert_stored_once(site, deckies)
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
                await eventually(lambda: captures(site) >= _expected(deckies), "all are there", 60)
            assert captures(site) == _expected(deckies), _difference(site, deckies)
            await eventually(lambda: not collector.disk(), "nothing waits")
            assert await collector.end() == 0
    _assert_stored_once(site, deckies)
    assert not any(decky.left() for decky in deckies)
    assert lost(site) == {"bytes": 0, "count": 0}
    assert faults >= 8


async def test_what_waits_is_bounded_and_the_rest_is_told_once(postgres_url: str, tmp_path: Path) -> None:
    """The listener is away; the collector is killed now and then; every byte is stored or reported."""
    site = make_site(postgres_url, tmp_path)
    dice = random.Random(4)
    noisy, quiet = Decky(tmp_path, "noisy"), Decky(tmp_path, "quiet")
    collector = CollectorProcess(
        site, tmp_path, max_file=2 * MIB, decky_bytes=8 * MIB, node_bytes=10 * MIB, reply_seconds=5
    )
    async with collector.running():
        quiet.put("session-q-0001.cast", dice.randbytes(MIB))
        await eventually(lambda: not quiet.left(), "the quiet one's is copied")
        for number in range(60):
            noisy.put(f"file-n-{number}", dice.randbytes(dice.choice((1000, 300_000, 2 * MIB))))
            if number % 12 == 11:
                await asyncio.sleep(dice.uniform(0, 0.3))
                await collector.end(signal.SIGKILL)
                await collector.start()
            assert collector.disk() <= 10 * MIB
        await eventually(lambda: not noisy.left(), "all are copied", 30)
        assert collector.disk() <= 10 * MIB
        status, text = await collector.get("/readyz")
        assert (status, "listener" in text) == (503, True)
        async with site.running():
            await eventually(lambda: not collector.disk(), "nothing waits", 30)
            await eventually(lambda: _waits(collector, "losses_waiting", 0), "all losses are told")
    stored = captures(site)
    assert quiet.expected <= stored
    sizes = sum(len(data) for data in site.kept().values())
    assert lost(site) == {
        "bytes": noisy.written + quiet.written - sizes,
        "count": len(noisy.expected) + len(quiet.expected) - len(stored),
    }
    assert stored <= _expected([noisy, quiet])
    assert 4 * MIB < sizes < 10 * MIB


async def _waits(collector: CollectorProcess, name: str, value: float) -> bool:
    return await collector.metric(name) == value


async def test_what_the_listener_has_no_quota_for_is_dropped_and_told(
    postgres_url: str, tmp_path: Path
) -> None:
    site = make_site(postgres_url, tmp_path, decky_bytes=3 * MIB)
    dice = random.Random(5)
    noisy, quiet = Decky(tmp_path, "noisy"), Decky(tmp_path, "quiet")
    collector = CollectorProcess(site, tmp_path)
    async with site.running(), collector.running():
        for number in range(5):
            noisy.put(f"file-n-{number}", dice.randbytes(MIB - 1))
        quiet.put("file-q-1", b"small")
        await eventually(lambda: len(site.events("artifact_lost")) >= 2, "two are refused", 30)
        await eventually(lambda: not collector.disk() and not noisy.left(), "nothing waits", 30)
        await eventually(lambda: quiet.expected <= captures(site), "the other's is there")
    assert {it["fields"]["reason"] for it in site.events("artifact_lost")} == {"quota"}
    missing = len(noisy.expected - captures(site))
    assert lost(site) == {"bytes": missing * (MIB - 1), "count": missing}


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


@contextlib.contextmanager
def _small_disk(path: Path, mib: int) -> Iterator[Path]:
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mib}m", "tmpfs", path], check=True)
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", path], check=True)


async def test_a_full_disk_waits_and_loses_nothing(postgres_url: str, tmp_path: Path) -> None:
    site = make_site(postgres_url, tmp_path)
    dice = random.Random(6)
    decky = Decky(tmp_path, "web")
    with _small_disk(tmp_path / "collector", 24) as disk:
        collector = CollectorProcess(site, tmp_path, keep_free=2 * MIB)
        async with collector.running():
            for number in range(30):
                decky.put(f"file-a-{number}", dice.randbytes(MIB))
            await eventually(lambda: _tells(collector, "is full"), "it says that the disk is full")
            assert decky.left() > 5 * MIB
            # Others fill even what it leaves free: writing fails now, wherever it is in its work.
            filler = disk / "filler"
            with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
                while True:
                    file.write(bytes(4096))
            decky.put("file-a-30", b"small")
            await asyncio.sleep(1)
            await collector.end(signal.SIGKILL)
            filler.unlink()
            await collector.start()
            async with site.running():
                await eventually(lambda: captures(site) >= decky.expected, "all are there", 40)
                await eventually(lambda: _is_ready(collector), "it is ready again")
                assert await collector.end() == 0
    _assert_stored_once(site, [decky])
    assert lost(site) == {"bytes": 0, "count": 0}


async def _tells(collector: CollectorProcess, what: str) -> bool:
    return what in (await collector.get("/readyz"))[1]


async def _is_ready(collector: CollectorProcess) -> bool:
    return (await collector.get("/readyz"))[0] == 200


SHARD = 16 * MIB
SHARDS = 128


def _flood(decky: Decky, stop: threading.Event) -> None:
    """2 GiB of shards, as fast as the spool (64 MiB) is emptied."""
    for number in range(SHARDS):
        while decky.left() > 64 * MIB - SHARD and not stop.is_set():
            time.sleep(0.01)
        if stop.is_set():
            return
        pattern = hashlib.sha256(b"%d" % number).digest() * 2048
        decky.put(f"session-flood-{number:04}.cast", pattern * (SHARD // len(pattern)))


async def test_two_gigabytes_of_shards_stay_within_the_quotas(postgres_url: str, tmp_path: Path) -> None:
    """An intruder fills a session's recording without end, while another decky's files keep coming."""
    site = make_site(postgres_url, tmp_path)
    noisy, quiet = Decky(tmp_path, "noisy"), Decky(tmp_path, "quiet")
    collector = CollectorProcess(site, tmp_path, copy_rate=256 * MIB)
    stop = threading.Event()
    most = 0
    lags = []
    async with site.running(), collector.running():
        flood = asyncio.create_task(asyncio.to_thread(_flood, noisy, stop))
        try:
            number = 0
            while not flood.done():
                number += 1
                capture = quiet.put(f"file-q-{number}", b"%d" % number)
                put_at = time.monotonic()
                while capture not in captures(site):
                    most = max(most, collector.disk())
                    assert time.monotonic() - put_at < 30
                    await asyncio.sleep(0.05)
                lags.append(time.monotonic() - put_at)
            await flood
        finally:
            stop.set()
        await eventually(lambda: not noisy.left() and not collector.disk(), "nothing waits", 120)
        await eventually(lambda: _waits(collector, "losses_waiting", 0), "all losses are told")
        collector.look()
    stored = sum(it["size"] for it in site.rows("select size from artifacts"))
    stored -= sum(len(b"%d" % n) for n in range(1, number + 1))
    told = lost(site)
    print(
        f"stored {stored / MIB:.0f} MiB, lost {told}, at most {most / MIB:.0f} MiB on the node,"
        f" {collector.resident_mib:.1f} MiB of memory, lag of the other one {max(lags):.2f} s"
    )
    assert noisy.written == SHARD * SHARDS
    assert stored + told["bytes"] == noisy.written
    assert most <= 256 * MIB
    assert max(lags) < 5
    assert collector.resident_mib <= 48
    assert quiet.expected <= captures(site)


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
    _assert_stored_once(site, [decky])
    assert lost(site) == {"bytes": 0, "count": 0}
