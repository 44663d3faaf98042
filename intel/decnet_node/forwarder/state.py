"""What has to outlive the forwarder: acknowledged offsets, and marks where the clock ended a count.

Each row has a checksum of its own, because SQLite has none in its main file and a
block that a power cut left half written must not pass for an offset. All of an older moment, or nothing, only
means that lines are sent again, under the same keys; of what is lost only marks may be missed (see
docs/architecture.md).
"""

from __future__ import annotations

import logging
import sqlite3
import time
import zlib
from collections.abc import Mapping, Set
from pathlib import Path
from typing import NamedTuple

from decnet_node.durable import open_durable

log = logging.getLogger(__name__)

_SCHEMA = """
CREATE TABLE IF NOT EXISTS {table} (
  uid TEXT NOT NULL, container TEXT NOT NULL, generation TEXT NOT NULL,
  position INTEGER NOT NULL, checksum INTEGER NOT NULL, updated REAL NOT NULL,
  PRIMARY KEY (uid, container, generation{also})
) WITHOUT ROWID, STRICT
"""
_SAVE = """
INSERT INTO acknowledged VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE
SET position = excluded.position, checksum = excluded.checksum, updated = excluded.updated
WHERE excluded.position >= position
"""
_MARK = "INSERT OR REPLACE INTO marks VALUES (?, ?, ?, ?, ?, ?)"
_UNMARK = "DELETE FROM marks WHERE uid = ? AND container = ? AND generation = ? AND position <= ?"
_CACHE_KIB = 256
_TABLES = {"acknowledged": "", "marks": ", position"}


class FileKey(NamedTuple):
    """One generation of one container's log."""

    uid: str
    container: str
    gen: str


class Recalled(NamedTuple):
    """What is stored of one container, by generation: where to go on, and marks from there on."""

    positions: dict[str, int]
    marks: dict[str, list[int]]


class OffsetStore:
    """The offsets and marks. `save` may run in another thread, one call at a time.

    A store that cannot be opened now (a full disk) knows nothing; every `save` tries again.
    """

    def __init__(self, directory: Path) -> None:
        self._path = directory / "offsets.db"
        self.was_broken = False
        self._writer: sqlite3.Connection | None = None
        self._reader: sqlite3.Connection | None = None
        try:
            self._connect()
        except (OSError, sqlite3.Error) as error:
            log.error("offsets in %s cannot be used (%s); sending everything again", self._path, error)

    def _connect(self) -> sqlite3.Connection:
        """The connection that writes. Raises sqlite3.Error or OSError."""
        if self._writer is None:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            writer, was_broken = open_durable(
                self._path, _CACHE_KIB, _prepare, "starting from the beginning of every file"
            )
            self.was_broken |= was_broken
            self._reader = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
            self._reader.execute(f"PRAGMA cache_size=-{_CACHE_KIB}")
            self._writer = writer
        return self._writer

    def recall(self, uid: str, container: str) -> Recalled:
        """What is stored of one container."""
        recalled = Recalled({}, {})
        if self._reader is None:
            return recalled
        for table in _TABLES:
            rows = self._reader.execute(
                f"SELECT generation, position FROM {table} WHERE uid = ? AND container = ?",  # noqa: S608
                (uid, container),
            )
            for gen, position in rows.fetchall():
                if table == "acknowledged":
                    recalled.positions[gen] = position
                else:
                    recalled.marks.setdefault(gen, []).append(position)
        return recalled

    def save(self, positions: Mapping[FileKey, int], marks: Mapping[FileKey, int]) -> None:
        """Write `positions` and add `marks`, in one transaction; on return they are on the disk.

        A position never goes back; marks up to it are dropped. Raises sqlite3.Error or OSError.
        """
        now = time.time()
        writer = self._connect()
        writer.execute("BEGIN IMMEDIATE")
        try:
            writer.executemany(_SAVE, [_row(*item, now) for item in positions.items()])
            writer.executemany(_UNMARK, [(*key, position) for key, position in positions.items()])
            writer.executemany(_MARK, [_row(*item, now) for item in marks.items()])
            writer.execute("COMMIT")
        except BaseException:
            if writer.in_transaction:
                writer.execute("ROLLBACK")
            raise

    def prune(self, present: Set[str], older_than: float) -> int:
        """Forget pods whose uid is not in `present` and that nothing came from for `older_than` seconds."""
        limit = time.time() - older_than
        writer = self._connect()
        rows = writer.execute("SELECT DISTINCT uid FROM acknowledged WHERE updated < ?", (limit,)).fetchall()
        gone = [(uid, limit) for (uid,) in rows if uid not in present]
        for table in _TABLES:
            writer.executemany(f"DELETE FROM {table} WHERE uid = ? AND updated < ?", gone)  # noqa: S608
        return len(gone)

    def close(self) -> None:
        """Close both connections."""
        for connection in (self._reader, self._writer):
            if connection is not None:
                connection.close()


def _prepare(connection: sqlite3.Connection) -> None:
    for table, also in _TABLES.items():
        connection.execute(_SCHEMA.format(table=table, also=also))
        _check_rows(connection, table)


def _check_rows(connection: sqlite3.Connection, table: str) -> None:
    """Raises sqlite3.DatabaseError when a row is damaged.

    Then none is of use: a line may begin in one file and end in the next, so one file read again from
    its beginning and the next one from where it was left would make one line of two.
    """
    rows = connection.execute(
        f"SELECT uid, container, generation, position, checksum FROM {table}"  # noqa: S608 - a constant
    )
    if any(checksum != _checksum(FileKey(*key), position) for *key, position, checksum in rows):
        raise sqlite3.DatabaseError(f"a damaged row of {table}")


def _row(key: FileKey, position: int, now: float) -> tuple[str | int | float, ...]:
    return (*key, position, _checksum(key, position), now)


def _checksum(key: FileKey, position: int) -> int:
    return zlib.crc32("\0".join((*key, str(position))).encode())
