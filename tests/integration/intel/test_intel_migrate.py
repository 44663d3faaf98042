"""The schema: made once however often and by however many, and its partitions."""

from __future__ import annotations

import datetime as dt
import threading

import psycopg
import pytest
from intel_lab import execute, rows

from decnet_intel.database import connect, make_engine
from decnet_intel.migrate import MigrationTimeoutError, head_revision, migrate
from decnet_intel.models import Base
from decnet_intel.repository import partitions
from decnet_intel.settings import MigrateSettings, WorkerSettings
from decnet_intel.worker.upkeep import DAYS_AHEAD, Upkeep
from lab.postgres import PostgresServer, free_port


def settings(url: str, wait: float = 20) -> MigrateSettings:
    return MigrateSettings(database_url=url, wait_seconds=wait)  # type: ignore[arg-type]


def test_twice_and_from_two_places_at_once(empty_postgres_url: str) -> None:
    errors: list[BaseException] = []

    def run() -> None:
        try:
            migrate(settings(empty_postgres_url))
        except BaseException as error:  # noqa: BLE001 (asserted below)
            errors.append(error)

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    migrate(settings(empty_postgres_url))
    assert rows(empty_postgres_url, "select version_num from alembic_version") == [
        {"version_num": head_revision()}
    ]


def test_the_models_are_the_schema(postgres_url: str) -> None:
    found: dict[str, dict[str, bool]] = {}
    columns = (
        "select table_name, column_name, is_nullable = 'YES' as nullable from information_schema.columns"
        " where table_schema = 'public' and table_name not in ('alembic_version', 'credentials')"
    )
    for row in rows(postgres_url, columns):
        found.setdefault(row["table_name"], {})[row["column_name"]] = row["nullable"]
    assert found == {
        name: {column.name: bool(column.nullable) for column in table.columns}
        for name, table in Base.metadata.tables.items()
    }


def test_it_waits_for_postgres_but_not_for_ever() -> None:
    with pytest.raises(MigrationTimeoutError, match="Postgres did not answer"):
        migrate(settings(f"postgresql://decnet@127.0.0.1:{free_port()}/x", 0))


def test_it_waits_for_the_other_migration_but_not_for_ever(postgres_url: str) -> None:
    with psycopg.connect(postgres_url) as other:
        other.execute("select pg_advisory_lock(%s)", [0x6465636E6574])
        with pytest.raises(MigrationTimeoutError, match="another migration"):
            migrate(settings(postgres_url, 0))


def test_postgres_comes_while_it_waits(postgres_server: PostgresServer, empty_postgres_url: str) -> None:
    postgres_server.stop("fast")
    starter = threading.Timer(1.5, postgres_server.start)
    starter.start()
    try:
        migrate(settings(empty_postgres_url))
    finally:
        starter.join()


async def test_upkeep_makes_days_ahead_and_drops_old_ones_under_a_reader(postgres_url: str) -> None:
    configured = WorkerSettings(database_url=postgres_url, retention_days=3)  # type: ignore[arg-type]
    today = dt.datetime.now(dt.UTC).date()
    async with await connect(configured, "test") as connection:
        for back in range(8):
            await partitions.create(connection, today - dt.timedelta(days=back))
        await partitions.create(connection, today)  # again
        # what a crash between detaching and dropping leaves
        orphan = today - dt.timedelta(days=20)
        await partitions.create(connection, orphan)
        await connection.execute(f"alter table events detach partition {partitions.name_of(orphan)}")
    execute(
        postgres_url,
        "insert into event_counts values (now() - interval '9 days', 'n', 'x', 'd', 's', 'e', 1, 0, now())",
    )
    execute(postgres_url, "insert into event_counts values (now(), 'n', 'x', 'd', 's', 'e', 1, 0, now())")
    engine = make_engine(configured, "test")
    upkeep = Upkeep(configured, engine)
    await upkeep.round()
    await upkeep.round()
    async with await connect(configured, "test") as connection:
        assert await partitions.existing(connection) == {
            today + dt.timedelta(days=offset) for offset in range(-3, DAYS_AHEAD + 1)
        }
    await engine.dispose()
    assert rows(postgres_url, f"select to_regclass('{partitions.name_of(orphan)}') as t") == [{"t": None}]
    assert rows(postgres_url, "select count(*)::int as n from event_counts") == [{"n": 1}]
