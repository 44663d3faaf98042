"""`decnet-intel migrate`: brings the schema to this release. Safe to run from several places at once."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import OperationalError

from decnet_intel.database import CONNECT_SECONDS, ENGINE_URL, libpq_settings
from decnet_intel.settings import MigrateSettings

LOCK = 0x6465636E6574  # one number for all releases: two migrations must never run side by side
_PAUSE = 1.0  # seconds between tries

log = logging.getLogger(__name__)


class MigrationTimeoutError(TimeoutError):
    """Postgres, or the lock of another migration, did not come within the configured time."""


def make_config(connection: Connection | None = None) -> Config:
    """Alembic's configuration, without any ini file."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    return config


def head_revision() -> str:
    """The revision this release expects."""
    head = ScriptDirectory.from_config(make_config()).get_current_head()
    assert head is not None  # the package ships at least one revision
    return head


def migrate(settings: MigrateSettings, revision: str = "head") -> None:
    """Upgrade to `revision`. Raises MigrationTimeoutError, or what the failing statement raised."""
    deadline = time.monotonic() + settings.wait_seconds
    engine = create_engine(
        ENGINE_URL,
        connect_args={
            **libpq_settings(settings),
            "connect_timeout": CONNECT_SECONDS,
            "application_name": "decnet-migrate",
        },
    )
    try:
        with _connect(engine.connect, deadline) as connection:
            _take_lock(connection, deadline)
            connection.exec_driver_sql(f"set lock_timeout = {settings.lock_timeout_ms}")
            connection.exec_driver_sql(f"set statement_timeout = {settings.statement_timeout_ms}")
            connection.commit()
            command.upgrade(make_config(connection), revision)
            connection.commit()
            log.info("schema is at revision %s", head_revision() if revision == "head" else revision)
    finally:
        engine.dispose()  # ends the session, which frees the lock


def _connect(connect: Callable[[], Connection], deadline: float) -> Connection:
    """A connection, as soon as Postgres takes one."""
    while True:
        try:
            connection = connect()
        except OperationalError as error:
            if time.monotonic() > deadline:
                raise MigrationTimeoutError(f"Postgres did not answer in time: {error.orig}") from error
            log.info("waiting for Postgres: %s", error.orig)
            time.sleep(_PAUSE)
        else:
            return connection


def _take_lock(connection: Connection, deadline: float) -> None:
    """Wait for the session's advisory lock by trying, so that no lock queue builds up."""
    while not connection.scalar(text("select pg_try_advisory_lock(:lock)"), {"lock": LOCK}):
        if time.monotonic() > deadline:
            raise MigrationTimeoutError("another migration holds the lock")
        log.info("another migration is running, waiting")
        time.sleep(_PAUSE)
    connection.commit()
