"""Postgres fails over to its standby, and no line that was acknowledged is missing."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from intel_lab import client_context, eventually, listening, make_lab, rows
from test_intel_faults import Forwarder, assert_all_once

from decnet_intel.migrate import migrate
from decnet_intel.settings import MigrateSettings
from lab.postgres import PostgresServer


@pytest.fixture
def servers() -> Iterator[list[PostgresServer]]:
    """A primary, and a standby that has every commit before the client hears of it."""
    made: list[PostgresServer] = []
    try:
        for _ in range(2):
            made.append(PostgresServer(Path(tempfile.mkdtemp(prefix="pg-"))))
        primary, standby = made
        primary.start()
        primary.sql("create database events")
        data = standby.folder / "data"
        shutil.rmtree(data)
        standby._run("pg_basebackup", "-D", str(data), "-R", "-c", "fast", "-d", primary.url("postgres"))
        standby.start()
        primary.sql("alter system set synchronous_standby_names = '*'")
        primary.sql("alter system set synchronous_commit = 'remote_apply'")
        primary.sql("select pg_reload_conf()")
        yield made
    finally:
        for server in made:
            if (server.folder / "data" / "postmaster.pid").exists():
                server.stop()
            shutil.rmtree(server.folder)


async def test_the_standby_is_promoted(servers: list[PostgresServer], tmp_path: Path) -> None:
    primary, standby = servers
    hosts = ",".join(f"127.0.0.1:{server.port}" for server in servers)
    url = f"postgresql://decnet@{hosts}/events?target_session_attrs=read-write"
    migrate(MigrateSettings(database_url=url))  # type: ignore[arg-type]
    lab = make_lab(url, tmp_path)
    async with listening(lab):
        forwarder = Forwarder(lambda: lab.port, client_context(lab.ca.file, lab.pair), 2000)
        running = asyncio.create_task(forwarder.run())
        await eventually(lambda: forwarder.done > 300, "lines are acknowledged")
        await asyncio.to_thread(primary.stop)
        acknowledged = forwarder.done
        at_the_standby = rows(standby.url("events"), "select count(*)::int as n from events")[0]["n"]
        assert at_the_standby >= acknowledged
        await asyncio.sleep(0.5)
        assert forwarder.done <= at_the_standby  # the standby takes no writes yet
        # nobody waits for the old primary any more
        await asyncio.to_thread(standby._run, "pg_ctl", "-D", str(standby.folder / "data"), "-w", "promote")
        async with asyncio.timeout(60):
            await running
    assert_all_once(standby.url("events"), 2000)
