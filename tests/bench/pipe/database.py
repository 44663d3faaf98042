"""The Postgres server of the benchmark: its own, with the durability that Postgres has by default."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg

from decnet_intel.migrate import migrate
from decnet_intel.settings import MigrateSettings
from lab.postgres import PostgresServer

_TEMPLATE = "pipe_template"
_numbers = itertools.count(1)


class Database:
    """A migrated database of one run."""

    def __init__(self, url: str, server_pid: int) -> None:
        self.url = url
        self.server_pid = server_pid
        self._connection = psycopg.connect(url, autocommit=True, application_name="bench")

    def ask(self, query: str, *values: object) -> Any:
        """The first column of the first row."""
        row = self._connection.execute(query, values).fetchone()
        return row[0] if row else None

    def do(self, statement: str, *values: object) -> None:
        """Run a statement."""
        self._connection.execute(statement, values)

    def counted(self) -> int:
        """Events in the running counts, which are written in the transaction of their rows."""
        return int(self.ask("select coalesce(sum(events), 0) from event_counts"))

    def close(self) -> None:
        """End the connection."""
        self._connection.close()


class Server:
    """Makes databases that are all alike."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._server = PostgresServer(folder, durable=True)
        self._server.start()
        self._server.sql(f"create database {_TEMPLATE}")
        migrate(MigrateSettings(database_url=self._server.url(_TEMPLATE)))
        self.pid = int((folder / "data" / "postmaster.pid").read_text().split()[0])

    @contextlib.contextmanager
    def database(self) -> Iterator[Database]:
        """A fresh database with a checkpoint behind it; dropped on the way out."""
        name = f"pipe_{next(_numbers)}"
        self._server.sql(f"create database {name} template {_TEMPLATE}")
        self._server.sql("checkpoint")
        database = Database(self._server.url(name), self.pid)
        try:
            yield database
        finally:
            database.close()
            self._server.sql(f"drop database {name} with (force)")

    def settings(self) -> dict[str, str]:
        """What decides how durable and how fast it is."""
        names = ["server_version", "fsync", "synchronous_commit", "full_page_writes", "data_checksums",
                 "shared_buffers", "max_wal_size", "data_directory"]  # fmt: skip
        query = "select name, current_setting(name) from unnest(%s::text[]) as s (name)"
        with psycopg.connect(self._server.url("postgres")) as connection:
            return {name: str(value) for name, value in connection.execute(query, [names])}

    def stop(self) -> None:
        """End it."""
        self._server.stop("fast")
