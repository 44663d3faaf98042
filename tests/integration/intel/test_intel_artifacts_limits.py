"""What a node, or an intruder behind it, can take up; what is refused; what goes with age."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import pytest
from artifact_lab import UID, Site, content, lost, make_site, offer
from intel_lab import client_context, connected, event_line, eventually, execute, framed, make_lab

from decnet_events.framing import encode_frame
from decnet_events.transfer import MAX_ARTIFACT, At, Data, Refused, Stored, encode
from decnet_intel.artifacts.directory import DirectoryStore
from decnet_intel.artifacts.incoming import BusyError, Incoming
from decnet_intel.database import make_engine
from decnet_intel.settings import WorkerSettings
from decnet_intel.worker.upkeep import Upkeep

KIB, MIB = 1024, 1024 * 1024


async def upkeep(site: Site, days: int = 30) -> None:
    """One round of the worker."""
    settings = WorkerSettings(
        database_url=site.url,
        retention_days=days,
        artifacts_dir=site.folder,  # type: ignore[arg-type]
    )
    engine = make_engine(settings, "test")
    try:
        await Upkeep(settings, engine).round()
    finally:
        await engine.dispose()


def usage(site: Site) -> dict[tuple[str, str], int]:
    return {(row["node"], row["decky"]): row["bytes"] for row in site.rows("select * from artifact_usage")}


async def test_quota_of_a_decky_counts_content_once(postgres_url: str, tmp_path: Path) -> None:
    site = make_site(postgres_url, tmp_path, decky_bytes=MIB, node_bytes=1900 * KIB)
    big = content(900 * KIB)
    async with site.running(), site.node() as node, site.node("node-2") as other:
        it = await node.store(big)
        for number in range(2, 6):
            assert await node.ask(offer(big, f"file-none-{number}")) == Stored(it.sha256)
        assert await node.refused(content(200 * KIB, 2), "file-none-9") == "quota"
        await node.store(content(200 * KIB, 2), "file-none-9", pod="db-back")
        await other.store(content(200 * KIB, 2), "file-none-9")
        assert await node.refused(content(900 * KIB, 3), "file-none-1", pod="third") == "quota", "of the node"
    assert usage(site) == {
        ("node-1", "web-front"): 900 * KIB + 5 * 4096,
        ("node-1", "db-back"): 200 * KIB + 4096,
        ("node-2", "web-front"): 200 * KIB + 4096,
    }
    assert len(site.kept()) == 2 and site.incoming() == []


async def test_many_empty_files_reach_the_quota_too(postgres_url: str, tmp_path: Path) -> None:
    site = make_site(postgres_url, tmp_path, decky_bytes=10 * 4096)
    async with site.running(), site.node() as node:
        answers = [await node.ask(offer(b"", f"file-none-{number}")) for number in range(12)]
    assert sum(isinstance(answer, Stored) for answer in answers) == 10
    assert answers[10:] == [Refused("quota")] * 2


async def test_two_listeners_cannot_both_pass_the_quota(postgres_url: str, tmp_path: Path) -> None:
    site = make_site(postgres_url, tmp_path, decky_bytes=3 * MIB + 100 * KIB)
    second = site.another()
    files = [content(MIB, seed) for seed in range(8)]

    async def send(place: Site, number: int) -> object:
        async with place.node() as node:
            it = offer(files[number], f"file-none-{number}")
            assert await node.upload(it, files[number], stop_at=MIB - 1) is None
            everyone.append(number)
            await eventually(lambda: len(everyone) == len(files), "all are about to end", 60)
            return await node.upload(it, files[number])

    everyone: list[int] = []
    async with site.running(), second.running():
        answers = await asyncio.gather(*(send((site, second)[n % 2], n) for n in range(len(files))))
    assert sum(isinstance(answer, Stored) for answer in answers) == 3
    assert answers.count(Refused("quota")) == 5
    assert len(site.kept()) == len(site.captures()) == 3, "what was refused is not left in the store"
    assert usage(site) == {("node-1", "web-front"): 3 * (MIB + 4096)}


async def test_unfinished_ones_are_bounded_and_age(postgres_url: str, tmp_path: Path) -> None:
    site = make_site(postgres_url, tmp_path, partials=3)
    async with site.running(), site.node() as node:
        for seed in range(6):
            data = content(MIB, seed)
            assert await node.upload(offer(data, f"file-none-{seed}"), data, stop_at=100 * KIB) is None
            await asyncio.sleep(0.02)
        assert len(site.incoming()) == 3
        newest = content(MIB, 5)
        assert await node.ask(offer(newest, "file-none-5")) == At(100 * KIB)
        assert await node.ask(offer(content(MIB, 0))) == At(0), "the oldest had to go"
    old = time.time() - 90_000
    for path in site.incoming():
        os.utime(path, (old, old))
    async with site.running():
        await eventually(lambda: site.incoming() == [], "old ones are dropped")


def test_incoming_by_bytes(tmp_path: Path) -> None:
    incoming = Incoming(tmp_path / "incoming", 10, 250)
    names = [f"{number:064x}" for number in range(4)]
    held = []
    for name in names[:2]:
        partial = incoming.open("node", name, 100)
        partial.write([b"x" * 60, b"x" * 40])
        held.append(partial)
    with pytest.raises(BusyError):
        incoming.open("node", names[0], 100)
    with pytest.raises(BusyError):
        incoming.open("node", names[2], 100)  # both others are being written
    incoming.open("another node", names[2], 100).close()
    held[0].close()
    incoming.open("node", names[2], 100).close()
    assert incoming.open("node", names[0], 100).offset == 0
    assert incoming.open("node", names[2], 0).offset == 0


async def test_a_full_disk_says_nothing_false(postgres_url: str, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = await asyncio.create_subprocess_exec("mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk))
    assert await mount.wait() == 0, "needs root"
    try:
        site = make_site(postgres_url, tmp_path, dir=disk / "artifacts")
        site.folder = disk / "artifacts"
        big, small = content(3 * MIB), content(MIB, 2)
        async with site.running():
            async with site.node() as node:
                with pytest.raises(OSError):
                    await node.upload(offer(big), big)
            assert site.captures() == [] and site.kept() == {}
            (partial,) = site.incoming()
            assert big.startswith(partial.read_bytes()), "what found room is right"
            grow = await asyncio.create_subprocess_exec("mount", "-o", "remount,size=8m", str(disk))
            assert await grow.wait() == 0
            async with site.node() as node:
                assert isinstance(await node.ask(offer(big)), At)
                await node.store(big)
                await node.store(small, "file-none-2")
        assert sorted(site.kept().values()) == sorted([big, small])
    finally:
        done = await asyncio.create_subprocess_exec("umount", str(disk))
        assert await done.wait() == 0


BAD = [
    b" ", b"OFFER", b"OFFER ", b"OFFER {}", b"OFFER []", b"OFFER null", b"DATA ", b"DATA", b"STORED x",
    b"GET / HTTP/1.1",
    b"OFFER " + b"[" * 4000, b'OFFER {"sha256":' + b"9" * 3000 + b"}", b"offer {}", b"LOST {}", b"LOST " + b"\xff" * 99,
    encode(offer(b"x")).replace(b'"size":1', b'"size":-1'),
    encode(offer(b"x")).replace(b'"size":1', b'"size":%d' % (MAX_ARTIFACT + 1)),
    encode(offer(b"x")).replace(b'"size":1', b'"size":1e999'),
    encode(offer(b"x")).replace(b"file-none-1", b"../../etc/passwd"),
    encode(offer(b"x")).replace(b"file-none-1", b"a\\u0000b"),
    encode(offer(b"x")).replace(offer(b"x").sha256.encode(), b"../" * 21 + b"x"),
    encode(offer(b"x")).replace(offer(b"x").sha256.encode(), offer(b"x").sha256.upper().encode()),
    encode(offer(b"x")).replace(b'"pod":"web-front"', b'"pod":"../x"'),
    encode(offer(b"x")).replace(b'"container":"ssh"', b'"container":["ssh"]'),
    encode(offer(b"x")).replace(b'"cut":false', b'"cut":0'),
    encode(lost(1)).replace(b'"count":3', b'"count":0'),
    encode(lost(1)).replace(b"backlog", b"because"),
    b"DATA no offer before",
]  # fmt: skip


async def test_what_breaks_the_rules_is_refused_and_disturbs_nobody(
    postgres_url: str, tmp_path: Path
) -> None:
    site = make_site(postgres_url, tmp_path)
    data = content(MIB)
    async with site.running(), site.node("node-2") as good:
        assert await good.upload(offer(data), data, stop_at=512 * KIB) is None
        for message in BAD:
            async with site.node() as node:
                assert await node.ask(message) == Refused("invalid")
                await node.report(lost(2))
        async with site.node() as node:
            it = offer(b"abc")
            assert await node.ask(it) == At(0)
            assert await node.ask(Data(b"more than that")) == Refused("invalid")
            await node.send(Data(b"ignored"), Data(b"ignored"))
            assert await node.ask(it) == At(0)
            assert await node.ask(Data(b"abc")) == Stored(it.sha256)
        for stream in (b"999999999 x", b"0 ", b"-1 x", b"131078 ", b"x" * 1000, b"\0" * 64):
            async with site.node() as node:
                node.writer.write(stream + b"x" * 200_000)
                assert await node.closed()
        for liar in (offer(data, size=10), offer(data, size=MIB + 1)):
            async with site.node() as node:
                answer = await node.upload(liar, data[: liar.size] + b"y" * (liar.size - MIB))
                assert answer == Refused("mismatch")
        assert await good.upload(offer(data), data) == Stored(offer(data).sha256)
    assert len(site.captures()) == 2
    assert {row["fields"]["reason"] for row in site.events("artifact_lost")} == {"backlog"}


async def test_lines_and_artifacts_do_not_push_each_other_out(postgres_url: str, tmp_path: Path) -> None:
    site = make_site(postgres_url, tmp_path)
    lab = site.lab
    async with site.running(), connected(lab.port, client_context(lab.ca.file, lab.pair)) as lines:
        nodes = [site.node() for _ in range(12)]
        opened = [await it.__aenter__() for it in nodes]
        assert await opened[0].closed(), "the oldest of too many"
        await opened[-1].store(content(KIB))
        await lines.send(framed(0, event_line()))
        await lines.acks(1)
        lab.pin("node-1", "0" * 64)
        assert await opened[-1].closed(), "a certificate that is withdrawn"
        for it in nodes:
            await it.__aexit__(None, None, None)


async def test_a_node_that_stops_in_the_middle_is_let_go(postgres_url: str, tmp_path: Path) -> None:
    site = make_site(postgres_url, tmp_path)
    site.environment["DECNET_LISTENER_FRAME_SECONDS"] = "1"
    data = content(MIB)
    async with site.running(), site.node() as node, site.node() as slow:
        assert await node.upload(offer(data), data, stop_at=KIB) is None
        slow.writer.write(encode_frame(encode(offer(data)))[:50])
        assert await node.closed(5) and await slow.closed(5)
        async with site.node() as again:
            assert await again.upload(offer(data), data) == Stored(offer(data).sha256)


async def test_retention(postgres_url: str, tmp_path: Path) -> None:
    site = make_site(postgres_url, tmp_path)
    old, shared, new = (content(MIB, seed) for seed in (1, 2, 3))
    async with site.running(), site.node() as node:
        await node.store(old, "file-none-1")
        await node.store(shared, "file-none-2")
        await node.store(shared, "file-none-3")
        await node.store(new, "file-none-4")
        await node.report(lost(1))
    execute(site.url, "update captures set stored_at = now() - interval '31 days' where name < 'file-none-3'")
    execute(site.url, "update artifact_losses set noted_at = now() - interval '31 days'")
    await upkeep(site)
    assert [row["name"] for row in site.captures()] == ["file-none-3", "file-none-4"]
    assert sorted(site.kept().values()) == sorted([shared, new])
    assert usage(site) == {("node-1", "web-front"): 2 * (MIB + 4096)}
    assert site.rows("select * from artifact_losses") == []
    execute(site.url, "update captures set stored_at = now() - interval '31 days'")
    await upkeep(site)
    assert site.captures() == [] and site.kept() == {} and usage(site) == {}
    assert site.rows("select * from artifacts") == []
    async with site.running(), site.node() as node:
        await node.store(old)
    assert list(site.kept().values()) == [old]


async def test_strays_go_after_a_day(postgres_url: str, tmp_path: Path) -> None:
    site = make_site(postgres_url, tmp_path)
    site.folder.mkdir()
    store = DirectoryStore(site.folder)
    name = offer(b"stray").sha256
    (tmp_path / "file").write_bytes(b"stray")
    await store.put(name, tmp_path / "file")
    await upkeep(site)
    assert site.kept() == {name: b"stray"}, "it may be about to be recorded"
    assert [it async for it in store.older_than(-60)] == [name]
    assert [it async for it in store.older_than(60)] == []
    async with site.running(), site.node() as node:
        assert await node.ask(offer(b"stray")) == Stored(name), "content that is there is not sent again"
    assert UID in {row["pod_uid"] for row in site.captures()}


async def test_content_that_vanished_is_asked_for_again(postgres_url: str, tmp_path: Path) -> None:
    site = make_site(postgres_url, tmp_path)
    data = content(MIB)
    async with site.running(), site.node() as node:
        it = await node.store(data)
        (site.folder / it.sha256[:2] / it.sha256).unlink()
        await node.store(data)
    assert list(site.kept().values()) == [data] and len(site.captures()) == 1


def test_settings_name_what_is_missing(postgres_url: str, tmp_path: Path) -> None:
    lab = make_lab(postgres_url, tmp_path)
    assert lab.settings.artifacts_dir == Path("/var/lib/decnet/artifacts")
    with pytest.raises(ValueError, match="is needed with DECNET_ARTIFACTS_S3_ENDPOINT"):
        WorkerSettings(database_url=postgres_url, s3_endpoint="http://127.0.0.1:1")  # type: ignore[arg-type]
