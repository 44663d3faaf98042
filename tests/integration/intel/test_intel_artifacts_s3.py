"""Artifacts in an S3-compatible server: the same promises as with a folder."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from api_lab import serving
from artifact_lab import Site, content, make_site, offer
from intel_lab import eventually, execute
from s3_lab import ACCESS, BUCKET, SECRET, S3Server, build

from decnet_events.transfer import At, Data, Stored
from decnet_intel.artifacts.s3 import S3Store
from decnet_intel.artifacts.store import MissingContentError, StoreError
from decnet_intel.database import make_engine
from decnet_intel.settings import ArtifactSettings, WorkerSettings
from decnet_intel.worker.upkeep import Upkeep

pytestmark = pytest.mark.timeout(900)  # the server is compiled
MIB = 1024 * 1024


@pytest.fixture(scope="session")
def binary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("versitygw"))


@pytest.fixture
def s3(binary: Path, tmp_path: Path) -> Iterator[S3Server]:
    """The server, running."""
    folder = tmp_path / "s3"
    folder.mkdir()
    server = S3Server.make(binary, folder)
    server.start()
    deadline = time.monotonic() + 60
    while not server.answers():
        assert time.monotonic() < deadline, "the S3 server does not answer"
        time.sleep(0.1)
    yield server
    server.stop()


@pytest.fixture
def site(postgres_url: str, tmp_path: Path, s3: S3Server) -> Site:
    site = make_site(postgres_url, tmp_path)
    site.environment.update(s3.environment)
    return site


def settings(site: Site, s3: S3Server) -> dict[str, object]:
    return {
        "artifacts_dir": site.folder, "s3_endpoint": s3.endpoint, "s3_bucket": BUCKET,
        "s3_access_key": ACCESS, "s3_secret_key": SECRET,
    }  # fmt: skip


def peak_memory(process: int) -> int:
    """Bytes."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text())
    assert found is not None
    print(f"peak memory of the listener: {int(found[1]) // 1024} MiB")
    return int(found[1]) * 1024


async def test_from_a_node_to_a_download_to_the_end_of_retention(site: Site, s3: S3Server) -> None:
    second = site.another()
    data = content(20 * MIB + 3)
    name = offer(data).sha256
    async with site.running() as child, second.running():
        async with site.node() as one, second.node("node-2") as two:
            await asyncio.gather(one.store(data), two.store(data))
            assert await one.ask(offer(data, "file-none-2")) == Stored(name)
            await one.store(b"", "file-none-3")
        assert peak_memory(child.pid) < 200 * MIB
    assert s3.kept() == {name: data, offer(b"").sha256: b""}
    assert len(site.captures()) == 4 and site.incoming() == []
    assert site.kept() == {}, "only what comes in is in the folder"

    async with serving(site.url, **settings(site, s3)) as api:
        await api.enter()
        answer = await api.client.get(f"/api/v1/artifacts/{name}/content")
        assert hashlib.sha256(answer.content).hexdigest() == name
        assert answer.headers["content-length"] == str(len(data))
        assert (await api.client.get(f"/api/v1/artifacts/{'0' * 64}/content")).status_code == 404
        s3.stop()
        away = await api.client.get(f"/api/v1/artifacts/{name}/content")
        assert (away.status_code, away.headers["retry-after"]) == (503, "5")
        s3.start()
        await eventually(s3.answers, "S3 is back", 60)

    execute(
        site.url, "update captures set stored_at = now() - interval '31 days' where name <> 'file-none-3'"
    )
    worker = WorkerSettings(database_url=site.url, **settings(site, s3))  # type: ignore[arg-type]
    engine = make_engine(worker, "test")
    await Upkeep(worker, engine).round()
    await engine.dispose()
    assert list(s3.kept().values()) == [b""]


async def test_while_s3_is_away_the_listener_waits(site: Site, s3: S3Server) -> None:
    data = content(2 * MIB)
    it = offer(data)
    async with site.running(), site.node() as node:
        assert await node.upload(it, data, stop_at=MIB) is None
        s3.stop()
        await node.send(*(Data(data[at : at + 65536]) for at in range(MIB, 2 * MIB, 65536)))
        await eventually(lambda: site.incoming()[0].stat().st_size == len(data), "all is on the disk")
        await asyncio.sleep(2)
        assert site.captures() == []
        s3.start()
        while isinstance(answer := await node.reply(60), At):
            pass
        assert answer == Stored(it.sha256)
    assert s3.kept() == {it.sha256: data} and len(site.captures()) == 1


async def test_the_store(site: Site, s3: S3Server, tmp_path: Path) -> None:
    store = S3Store(ArtifactSettings(database_url="x", **settings(site, s3)))  # type: ignore[arg-type]
    data = os.urandom(9 * MIB)
    name = hashlib.sha256(data).hexdigest()
    (tmp_path / "file").write_bytes(data)
    assert not await store.has(name, len(data))
    with pytest.raises(MissingContentError):
        await store.read(name)
    for _ in range(2):
        await store.put(name, tmp_path / "file")
    assert await store.has(name, len(data)) and not await store.has(name, 1)
    pieces = [piece async for piece in await store.read(name)]
    assert b"".join(pieces) == data and max(map(len, pieces)) <= MIB
    assert [it async for it in store.older_than(3600)] == []
    assert [it async for it in store.older_than(-3600)] == [name]
    for _ in range(2):
        await store.delete(name)
    assert not await store.has(name, len(data))
    s3.stop()
    with pytest.raises(StoreError):
        await store.has(name, len(data))
