"""The real Postgres of a run, on a disk that can be filled, and all SQL that the harness needs of `events`."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg

from decnet_intel.migrate import migrate
from decnet_intel.settings import MigrateSettings
from lab.postgres import PostgresServer
from torture.ledger import Row
from torture.lines import Told

NAME = "decnet"
_CONFIGURATION = """
max_wal_size = '192MB'
min_wal_size = '80MB'
shared_buffers = '128MB'
max_connections = 60
log_line_prefix = '%m [%p] %a '
"""

_ROW = """
select xid::text::bigint, id, pod_uid, service, event_id, severity, hostname, host(src_ip), src_port, fields,
       message, raw, cut, occurred_at
from events
"""
_TAIL = f"""{_ROW}
where (xid, id) > (%s::text::xid8, %s) and xid < pg_snapshot_xmin(pg_current_snapshot())
order by xid, id limit 4000
"""
_ALL = f"{_ROW} order by xid, id"
_SPOIL_ROW = "(select id from events where event_id = 'credential' order by xid, id offset {} limit 1)"
_ACTIVITY = """
select format('%s %s: %s for %s s, transaction for %s s, waits for %s %s, blocked by %s: %s', pid, application_name,
    state, extract(epoch from now() - state_change)::int, extract(epoch from now() - xact_start)::int,
    wait_event_type, wait_event, pg_blocking_pids(pid), left(query, 60))
from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()
"""
_WHAT = "event_id, severity, hostname, src_ip, src_port, fields, message, raw, cut, occurred_at"

SPOILING = {
    "drop": f"delete from events where id = {_SPOIL_ROW.format(7)}",
    "duplicate": f"""
        with copied as (
            select * from events where id = {_SPOIL_ROW.format(7)}
        ) insert into events overriding system value
        select (jsonb_populate_record(null::events, to_jsonb(c) || jsonb_build_object(
            'id', (select max(id) + 1000000 from events), 'byte_offset', 1000000000000,
            'xid', (select max(xid::text::bigint) from events)))).*
        from copied c""",
    "alter": f"update events set hostname = 'elsewhere' where id = {_SPOIL_ROW.format(7)}",
    "swap": f"""
        with two as (
            select a.id as one, b.id as other from events a join events b
            on a.pod_uid = b.pod_uid and a.service = b.service and b.id > a.id
            where a.id = {_SPOIL_ROW.format(7)} order by b.id limit 1
        ), sides as (select one as into_id, other as from_id from two union all select other, one from two)
        update events e set ({_WHAT}) = (select {_WHAT} from events f where f.id = s.from_id)
        from sides s where e.id = s.into_id""",
    "count": "update events set fields = fields || jsonb_build_object('count', '1')"
    " where id = (select min(id) from events where event_id = 'suppressed' and fields->>'count' <> '1')",
}
"""What `--spoil` does to the table before the comparison, to show that the comparison notices."""


class Database:
    """The server, and what can happen to it. `busy` as in Daemon."""

    def __init__(self, folder: Path) -> None:
        self.busy = threading.RLock()
        self.folder = folder
        self.restarts = 0
        self._closing = threading.Event()
        self._server = PostgresServer(folder)
        with (folder / "data" / "postgresql.conf").open("a") as file:
            file.write(_CONFIGURATION)
        self._server.start()
        self._server.sql(f"create database {NAME}")
        migrate(MigrateSettings(database_url=self._server.url(NAME)))
        self._thread = threading.Thread(target=self._supervise, name="postgres", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._server.port

    def url(self, port: int | None = None) -> str:
        """As seen through a proxy on `port`."""
        return f"postgresql://decnet@127.0.0.1:{port or self.port}/{NAME}"

    def connect(self, **options: Any) -> psycopg.Connection[tuple[Any, ...]]:
        """A connection past all proxies that may write while others may not."""
        settings = "-c default_transaction_read_only=off -c timezone=UTC"
        return psycopg.connect(
            self.url(),
            autocommit=True,
            connect_timeout=10,
            options=settings,
            application_name="torture",
            **options,
        )

    def execute(self, statement: str) -> None:
        """One statement, tried until Postgres takes it."""
        while True:
            try:
                with self.connect() as connection:
                    connection.execute(statement)
                    return
            except psycopg.OperationalError:
                time.sleep(0.2)

    def pin(self, node: str, sha256: str) -> None:
        """Trust a node's certificate."""
        self.execute(
            f"insert into swarm_hosts (name, sha256) values ('{node}', '{sha256}'); notify swarm_hosts"
        )

    def backend(self, application: str) -> int | None:
        """Process id of a backend that serves `application`."""
        with contextlib.suppress(psycopg.Error), self.connect() as connection:
            found = connection.execute(
                "select pid from pg_stat_activity where application_name = %s limit 1", (application,)
            ).fetchone()
            return int(found[0]) if found else None
        return None

    def kill(self) -> None:
        """SIGKILL to the postmaster; its children notice and end."""
        with contextlib.suppress(OSError, ValueError, IndexError):
            os.kill(int((self.folder / "data" / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)

    def read_only(self, on: bool) -> None:
        """Whether new transactions may write."""
        self.execute(f"alter system set default_transaction_read_only = {'on' if on else 'off'}")
        self.execute("select pg_reload_conf()")

    def activity(self) -> list[str]:
        """What the server's processes are doing and whom they wait for, for a person to read."""
        with self.connect() as connection:
            return [str(found[0]) for found in connection.execute(_ACTIVITY)]

    def tail(self, connection: psycopg.Connection[tuple[Any, ...]], after: tuple[int, int]) -> list[Row]:
        """The next rows that a reader at the cursor `after` may take."""
        return [_row(found) for found in connection.execute(_TAIL, (str(after[0]), after[1]))]

    def rows(self) -> Iterator[Row]:
        """All rows, in the order in which readers take them."""
        with self.connect() as connection, connection.transaction(), connection.cursor("all") as cursor:
            cursor.itersize = 20_000
            cursor.execute(_ALL)
            yield from map(_row, cursor)

    def _supervise(self) -> None:
        """Start the server again when it is gone, as kubelet would."""
        while not self._closing.wait(0.3):
            if self.busy.acquire(blocking=False):
                try:
                    self._restart_if_gone()
                finally:
                    self.busy.release()

    def _restart_if_gone(self) -> None:
        file = self.folder / "data" / "postmaster.pid"
        try:
            os.kill(int(file.read_text().split()[0]), 0)
        except (OSError, ValueError, IndexError):
            with contextlib.suppress(RuntimeError):  # its children may still be ending, its disk may be full
                self._server.start()
                self.restarts += 1

    def close(self) -> None:
        """Stop it."""
        self._closing.set()
        self._thread.join()
        with contextlib.suppress(RuntimeError):
            self._server.stop()


def _row(found: tuple[Any, ...]) -> Row:
    xid, id_, uid, container, *told = found
    return Row(xid, id_, uid, container, Told(*told))
