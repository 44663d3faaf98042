"""Fixtures that all integration tests may use.

`postgres_url` is a fresh, migrated database for one test. Tests fail when the binaries are missing.
"""

from __future__ import annotations

import itertools
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from decnet_intel.migrate import migrate
from decnet_intel.settings import MigrateSettings
from lab.postgres import BINARIES, PostgresServer

TEMPLATE = "decnet_template"


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """The running server, with a migrated template database."""
    if not (BINARIES / "initdb").exists():
        pytest.fail("needs PostgreSQL 15: apt-get install postgresql")
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    server = PostgresServer(folder)
    try:
        server.start()
        server.sql(f"create database {TEMPLATE}")
        migrate(MigrateSettings(database_url=server.url(TEMPLATE)))  # type: ignore[arg-type]
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


_numbers = itertools.count(1)


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """A migrated database of the test's own."""
    yield from _database(postgres_server, f" template {TEMPLATE}")


@pytest.fixture
def empty_postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """An empty database of the test's own."""
    yield from _database(postgres_server, "")


def _database(server: PostgresServer, options: str) -> Iterator[str]:
    name = f"test_{next(_numbers)}"
    server.sql(f"create database {name}{options}")
    yield server.url(name)
    for _ in range(50):  # a process that a test killed may hold its connection a little longer
        try:
            server.sql(f"drop database {name} with (force)")
            return
        except psycopg.errors.ObjectInUse:
            time.sleep(0.1)
