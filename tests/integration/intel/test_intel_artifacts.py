"""Artifacts from a node to the store: once, whole, resumable, whoever dies."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

from artifact_lab import UID, Site, content, ends, lost, make_site, offer
from intel_lab import eventually

from decnet_events.transfer import At, Data, Refused, Stored
from lab.postgres import PostgresServer

MIB = 1024 * 1024


async def test_stored_once_with_its_capture_and_its_event(postgres_url: str, tmp_path: Path) -> None:
    site = make_site(postgres_url, tmp_path)
    data = content(3 * MIB + 17)
    async with site.running() as child, site.node() as node:
        it = await node.store(data, "session-abc-0001.cast", kind="session", cut=True)
        assert await node.ask(it) == Stored(it.sha256), "the same capture again is the same capture"
        assert await ends(child) == 0
    assert site.kept() == {it.sha256: data}
    assert site.incoming() == []
    (capture,) = site.captures()
    assert (capture["sha256"], capture["node"], capture["decky"]) == (it.sha256, "node-1", "web-front")
    assert (capture["pod_uid"], capture["service"], capture["name"]) == (UID, "ssh", "session-abc-0001.cast")
    assert (capture["kind"], capture["cut"], capture["captured_at"]) == ("session", True, it.modified)
    (event,) = site.events("artifact_stored")
    assert event["fields"] == {
        "sha256": it.sha256, "size": str(len(data)), "name": "session-abc-0001.cast", "kind": "session", "cut": "true",
    }  # fmt: skip
    assert (event["decky"], event["service"], event["node"]) == ("web-front", "ssh", "node-1")
    assert site.rows("select events from event_counts where event_id = 'artifact_stored'") == [{"events": 1}]


async def test_content_that_is_there_is_not_sent_again(postgres_url: str, tmp_path: Path) -> None:
    site = make_site(postgres_url, tmp_path)
    data = content(MIB)
    async with site.running(), site.node() as node, site.node("node-2") as other:
        it = await node.store(data, "file-none-1")
        for again in (offer(data, "file-none-2"), offer(data, "file-none-1", pod="db-back", uid="other-uid")):
            assert await node.ask(again) == Stored(it.sha256)
        assert await other.ask(it) == Stored(it.sha256)
        empty = offer(b"", "file-none-3")
        assert await node.ask(empty) == Stored(empty.sha256)
    assert len(site.captures()) == len(site.events("artifact_stored")) == 5
    assert site.kept() == {it.sha256: data, empty.sha256: b""}


async def test_two_nodes_and_two_listeners_send_the_same_at_once(postgres_url: str, tmp_path: Path) -> None:
    site = make_site(postgres_url, tmp_path)
    second = site.another()
    data = content(8 * MIB)
    async with (
        site.running(),
        second.running(),
        site.node() as one,
        second.node("node-2") as two,
        second.node("node-3") as three,
    ):
        await asyncio.gather(*(node.store(data) for node in (one, two, three)))
    assert list(site.kept().values()) == [data]
    assert [row["node"] for row in sorted(site.captures(), key=lambda row: row["node"])] == [
        "node-1", "node-2", "node-3",
    ]  # fmt: skip
    assert len(site.events("artifact_stored")) == 3
    assert site.rows("select count(*) as n from artifacts") == [{"n": 1}]
    assert site.incoming() == []


async def test_an_upload_goes_on_after_kill_9(postgres_url: str, tmp_path: Path) -> None:
    site = make_site(postgres_url, tmp_path)
    data = content(6 * MIB)
    it = offer(data)
    async with site.running() as child, site.node() as node:
        assert await node.upload(it, data, stop_at=4 * MIB) is None
        child.send_signal(signal.SIGKILL)
        assert await node.closed()
    assert site.captures() == [] and site.kept() == {}
    async with site.running(), site.node() as node:
        assert await node.ask(it) == At(4 * MIB)
        await node.send(Data(data[4 * MIB : 4 * MIB + 100]))
        assert await node.reply() == At(4 * MIB + 100)
        assert await node.ask(offer(b"x", "file-none-2")) == At(0), "another one in the middle"
        assert await node.ask(Data(b"x")) == Stored(offer(b"x").sha256)
        assert await node.upload(it, data) == Stored(it.sha256)
    assert site.kept()[it.sha256] == data


async def test_wrong_bytes_are_refused_and_forgotten(postgres_url: str, tmp_path: Path) -> None:
    site = make_site(postgres_url, tmp_path)
    data = content(MIB)
    it = offer(data)
    async with site.running(), site.node() as node:
        assert await node.upload(it, content(MIB, 2)) == Refused("mismatch")
        assert site.incoming() == [] and site.kept() == {}
        assert await node.upload(it, data) == Stored(it.sha256)


async def test_a_partial_that_a_power_cut_damaged_is_refused_and_sent_anew(
    postgres_url: str, tmp_path: Path
) -> None:
    site = make_site(postgres_url, tmp_path)
    data = content(3 * MIB)
    it = offer(data)
    async with site.running(), site.node() as node:
        assert await node.upload(it, data, stop_at=2 * MIB) is None
    (partial,) = site.incoming()
    partial.write_bytes(b"\0" * 2 * MIB)
    async with site.running(), site.node() as node:
        assert await node.upload(it, data) == Refused("mismatch")
        assert await node.upload(it, data) == Stored(it.sha256)
    assert site.kept() == {it.sha256: data}


async def test_losses_are_noted_once(postgres_url: str, tmp_path: Path) -> None:
    site = make_site(postgres_url, tmp_path)
    for _ in range(2):
        async with site.running(), site.node() as node, site.node("node-2") as other:
            await node.report(lost(1))
            await node.report(lost(1))
            await node.report(lost(2, name="session-a-0001.cast", kind="session", reason="quota", count=1))
            await other.report(lost(1))
    events = site.events("artifact_lost")
    assert sorted((event["node"], event["fields"]["reason"]) for event in events) == [
        ("node-1", "backlog"), ("node-1", "quota"), ("node-2", "backlog"),
    ]  # fmt: skip
    assert events[0]["fields"] == {"reason": "backlog", "kind": "file", "bytes": "4711", "count": "3"}


async def test_nothing_is_stored_before_postgres_has_it(
    postgres_server: PostgresServer, postgres_url: str, tmp_path: Path
) -> None:
    site = make_site(postgres_url, tmp_path)
    data = content(2 * MIB)
    it = offer(data)
    async with site.running(), site.node() as node:
        assert await node.upload(it, data, stop_at=MIB) is None
        postgres_server.stop()
        try:
            await node.send(*(Data(data[at : at + 65536]) for at in range(MIB, 2 * MIB, 65536)))
            await eventually(lambda: site.incoming()[0].stat().st_size == len(data), "all is on the disk")
            waiting = asyncio.create_task(_last(node))
            await asyncio.sleep(1.5)
            assert not waiting.done()
        finally:
            postgres_server.start()
        assert await waiting == Stored(it.sha256)
        await node.report(lost(7))
    assert len(site.captures()) == len(site.events("artifact_stored")) == 1


async def _last(node: object) -> object:
    while isinstance(answer := await node.reply(40), At):  # type: ignore[attr-defined]
        pass
    return answer


async def test_kill_9_at_random_moments(postgres_url: str, tmp_path: Path) -> None:
    site = make_site(postgres_url, tmp_path)
    files = {f"file-none-{number}": content(MIB + number, number) for number in range(4)}
    told: set[str] = set()

    async def send_all() -> None:
        async with site.node() as node:
            for name, data in files.items():
                if name not in told:
                    await node.store(data, name)
                    told.add(name)

    for pause in (0.02, 0.05, 0.1, 0.15, 0.25):
        async with site.running() as child:
            sending = asyncio.create_task(send_all())
            await asyncio.sleep(pause)
            child.kill()
            await asyncio.gather(sending, return_exceptions=True)
            assert {row["name"] for row in site.captures()} >= told
    async with site.running():
        await send_all()
    _all_are_there(site, files)


def _all_are_there(site: Site, files: dict[str, bytes]) -> None:
    kept = site.kept()
    captures = site.captures()
    assert {row["name"]: kept[row["sha256"]] for row in captures} == files
    assert len(captures) == len(site.events("artifact_stored")) == len(files)
