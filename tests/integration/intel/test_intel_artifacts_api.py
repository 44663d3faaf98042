"""Artifacts over HTTP: the bytes that were captured, to admins, and nothing by any other path."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from api_lab import CHOSEN, Api, bearer, dashboard, serving
from artifact_lab import Site, content, make_site, offer
from intel_lab import execute

from decnet_intel.service import passwords

MIB = 1024 * 1024
LIST = "/api/v1/artifacts"


@pytest.fixture
async def site(postgres_url: str, tmp_path: Path) -> Site:
    """A store with three captures of two contents."""
    site = make_site(postgres_url, tmp_path)
    async with site.running(), site.node() as node:
        await node.store(content(3 * MIB + 5), "session-abc-0001.cast", kind="session")
        await node.store(b"#!/bin/sh\n<script>alert(1)</script>\n", "file-abc-1", pod="db-back", cut=True)
        await node.store(b"#!/bin/sh\n<script>alert(1)</script>\n", "file-abc-2")
    return site


@pytest.fixture
async def api(site: Site, tmp_path: Path) -> AsyncIterator[Api]:
    """The API, logged in as admin."""
    async with serving(
        site.url, artifacts_dir=site.folder, dashboard_dir=dashboard(tmp_path / "dashboard")
    ) as api:
        await api.enter()
        yield api


async def test_what_is_downloaded_is_what_was_captured(api: Api) -> None:
    data = content(3 * MIB + 5)
    name = offer(data).sha256
    answer = await api.client.get(f"{LIST}/{name}/content")
    assert answer.status_code == 200
    assert hashlib.sha256(answer.content).hexdigest() == name
    headers = answer.headers
    assert headers["content-length"] == str(len(data))
    assert headers["content-type"] == "application/octet-stream"
    assert headers["content-disposition"] == f'attachment; filename="{name}.bin"'
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"].startswith("sandbox")
    assert headers["cache-control"] == "no-store"


async def test_lists_and_filters(api: Api) -> None:
    async def names(**filters: Any) -> list[str]:
        answer = await api.client.get(LIST, params=filters)
        assert answer.status_code == 200, answer.text
        return [item["name"] for item in answer.json()["items"]]

    everything = ["file-abc-2", "file-abc-1", "session-abc-0001.cast"]
    assert await names() == everything
    assert await names(decky="db-back") == ["file-abc-1"]
    assert await names(kind="session") == ["session-abc-0001.cast"]
    assert await names(namespace="decnet", service="ssh", decky="web-front") == [everything[0], everything[2]]
    assert await names(namespace="other") == [] == await names(sha256="../etc/passwd")
    assert await names(sha256=offer(content(3 * MIB + 5)).sha256) == everything[2:]
    paged: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await api.client.get(LIST, params={"limit": 1, **cursor})).json()
        paged += [item["name"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert paged == everything
    for bad in ({"cursor": "x"}, {"cursor": "Yzk5OQ=="}, {"kind": "all"}, {"limit": "0"}, {"decky": "a\0b"}):
        status = (await api.client.get(LIST, params=bad)).status_code
        assert status == (200 if bad.get("cursor") == "Yzk5OQ==" else 422), bad


async def test_one_artifact_with_its_captures(api: Api) -> None:
    it = offer(b"#!/bin/sh\n<script>alert(1)</script>\n")
    found = (await api.client.get(f"{LIST}/{it.sha256}")).json()
    assert (found["sha256"], found["size"], found["capture_count"]) == (it.sha256, it.size, 2)
    assert [(item["decky"], item["name"], item["cut"]) for item in found["captures"]] == [
        ("web-front", "file-abc-2", False), ("db-back", "file-abc-1", True),
    ]  # fmt: skip


async def test_content_is_for_admins(api: Api, site: Site) -> None:
    execute(
        site.url,
        "insert into users (username, password_hash, role, must_change_password)"
        " values ('eve', %s, 'viewer', false)",
        await passwords.hash_password(CHOSEN),
    )
    viewer = bearer((await api.login(CHOSEN, "eve")).json()["access_token"])
    name = offer(content(3 * MIB + 5)).sha256
    for path, allowed in ((LIST, 200), (f"{LIST}/{name}", 200), (f"{LIST}/{name}/content", 403)):
        assert (await api.client.get(path, headers=viewer)).status_code == allowed
        async with httpx.AsyncClient(base_url=api.client.base_url) as stranger:
            assert (await stranger.get(path)).status_code == 401
    assert (await api.client.get(f"{LIST}/{'0' * 64}/content", headers=viewer)).status_code == 403


async def test_content_that_is_damaged_or_gone_is_never_whole(api: Api, site: Site) -> None:
    data = content(3 * MIB + 5)
    name = offer(data).sha256
    path = site.folder / name[:2] / name
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(httpx.RemoteProtocolError):
        await api.client.get(f"{LIST}/{name}/content")
    path.unlink()
    assert (await api.client.get(f"{LIST}/{name}/content")).status_code == 404
    path.symlink_to("/etc/passwd")
    assert (await api.client.get(f"{LIST}/{name}/content")).status_code == 503


def _forms(site: Site) -> list[str]:
    """What may stand in a URL instead of the SHA-256, none of which is one that is known."""
    known = offer(content(3 * MIB + 5)).sha256
    partial = hashlib.sha256(b"incoming").hexdigest()
    stray = "ab" * 32
    (site.folder / "incoming" / "node").mkdir(parents=True, exist_ok=True)
    (site.folder / "incoming" / "node" / partial).write_bytes(b"secret")
    (site.folder / "ab").mkdir(exist_ok=True)
    (site.folder / "ab" / stray).write_bytes(b"secret")
    dots = [
        up * depth + target
        for up in (
            "../",
            "%2e%2e/",
            "..%2f",
            "%2e%2e%2f",
            "%252e%252e%252f",
            "..\\",
            "..%5c",
            "..%c0%af",
            "..%ef%bc%8f",
        )
        for depth in (1, 8)
        for target in ("etc/passwd", f"{known[:2]}/{known}")
    ]
    return [
        *dots,
        partial, stray, known.upper(), known[:-1], known + "0", f"{known}%00", f"%00{known}", f"{known}%0a",
        f"{known}%20", f"%20{known}", f"{known}.bin", f"{known};x", f"{known}%2fcontent%2f..", f".%2f{known}",
        f"{known[:2]}%2f{known}", f"{known[:2]}/{known}", f"incoming%2fnode%2f{partial}", f"incoming/node/{partial}",
        f"%2f{known}", f"/{known}", "%2fetc%2fpasswd", "//etc/passwd", "file:%2f%2f%2fetc%2fpasswd",
        ".", "..", "%2e", "%2e%2e",
        "%", "%zz", "%00", "*", "~", "con", "%2a",
        "a" * 4000, "%61" * 1000, "%d9%a1" * 64, "%ef%bc%90" * 64,
        "%ff%fe", "%f0%9f%92%a9", "' or 1=1 --", "0x" + known[2:], "null", "-1", "0" * 64, f"{known[:63]}%67",
        "".join(f"%25{ord(c):02x}" for c in known), f"{known}%3fx", "{sha256}",
    ]  # fmt: skip


async def test_no_path_of_the_client_reaches_the_files(api: Api, site: Site) -> None:
    forms = _forms(site)
    assert len(set(forms)) >= 40
    for form in forms:
        for path in (f"{LIST}/{form}/content", f"{LIST}/{form}", f"{LIST}/{form}/../{form}/content"):
            status, body = await _raw(api, path.replace(" ", "%20"))
            assert status == 404, (path, status)
            assert b"root:" not in body and b"secret" not in body
    name = offer(content(3 * MIB + 5)).sha256
    assert (await _raw(api, f"{LIST}/{name}/content"))[0] == 200


async def _raw(api: Api, path: str) -> tuple[int, bytes]:
    """The answer to a request whose path no client library has tidied."""
    reader, writer = await asyncio.open_connection("127.0.0.1", api.settings.port)
    token = api.client.headers["authorization"]
    head = f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\nConnection: close\r\n\r\n"
    writer.write(head.encode())
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return int(answer.split(b" ", 2)[1]), answer
