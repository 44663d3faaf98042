"""The collector within its limits: quotas, a full disk, an intruder who fills the spool without end."""

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

from artifact_lab import make_site
from collector_lab import CollectorProcess, Decky, assert_stored_once, captures, expected_of, lost
from intel_lab import eventually

MIB = 1024 * 1024


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
    assert stored <= expected_of([noisy, quiet])
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
    assert_stored_once(site, [decky])
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
