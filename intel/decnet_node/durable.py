"""SQLite files that outlive power cuts, opened so that a damaged one stops nothing.

WAL mode with synchronous=FULL: a commit that returned survives a power cut, one that did not leaves the commit
before.
"""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

log = logging.getLogger(__name__)

_NOT_THE_FILE = {
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
}


class Opened(NamedTuple):
    """The connection, and whether the file was damaged and an empty one took its place."""

    connection: sqlite3.Connection
    was_broken: bool


def open_durable(
    path: Path, cache_kib: int, prepare: Callable[[sqlite3.Connection], object], consequence: str
) -> Opened:
    """Open `path`, or an empty file in its place when it is damaged (it stays beside, as `.broken`).

    `prepare` makes the tables and raises sqlite3.DatabaseError for what is no good; `consequence` goes into the
    log. Raises sqlite3.Error or OSError when it is not the file's fault: locked, no space, no permission.
    """
    try:
        return Opened(_open(path, cache_kib, prepare), was_broken=False)
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        # A damaged header also makes a database read-only.
        if code in _NOT_THE_FILE or (code == sqlite3.SQLITE_READONLY and not _may_write(path)):
            raise
        log.error("%s is broken (%s); %s", path, error, consequence)
        for tail in ("", "-wal", "-shm"):
            part = path.with_name(path.name + tail)
            if part.exists():
                part.replace(part.with_name(part.name + ".broken"))
        return Opened(_open(path, cache_kib, prepare), was_broken=True)


def _open(path: Path, cache_kib: int, prepare: Callable[[sqlite3.Connection], object]) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute(f"PRAGMA cache_size=-{cache_kib}")  # the default is 2 MB
        (verdict,) = connection.execute("PRAGMA quick_check").fetchone()
        if verdict != "ok":
            raise sqlite3.DatabaseError(verdict)
        prepare(connection)
        connection.execute("PRAGMA user_version = 1")  # whether it can be written
    except BaseException:
        connection.close()
        raise
    return connection


def _may_write(path: Path) -> bool:
    return os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)
