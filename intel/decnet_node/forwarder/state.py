"""Acknowledged offsets on the disk: what is in here has been committed by the listener.

SQLite in WAL mode with synchronous=FULL: a commit that returned survives a power cut, one that did
not leaves the commit before. Older offsets only mean that lines are sent again, under the same keys.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Mapping, Set
from pathlib import Path
from typing import NamedTuple

log = logging.getLogger(__name__)

_SCHEMA = """
CREATE TABLE IF NOT EXISTS offsets (
  uid TEXT NOT NULL, container TEXT NOT NULL, generation TEXT NOT NULL,
  position INTEGER NOT NULL, updated REAL NOT NULL,
  PRIMARY KEY (uid, container, generation)
) WITHOUT ROWID, STRICT
"""
_SAVE = """
INSERT INTO offsets VALUES (?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET position = max(position, excluded.position), updated = excluded.updated
"""


class FileKey(NamedTuple):
    """One generation of one container's log."""

    uid: str
    container: str
    gen: str


class OffsetStore:
    """The offsets. `save` may run in another thread, one call at a time."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._path = directory / "offsets.db"
        self.was_broken = False
        try:
            self._writer = self._open()
        except sqlite3.OperationalError:
            raise  # locked, read-only, no space: not the file's fault
        except sqlite3.DatabaseError as error:
            self._set_aside(error)
            self._writer = self._open()
        self._reader = sqlite3.connect(self._path, isolation_level=None)

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            (verdict,) = connection.execute("PRAGMA quick_check").fetchone()
            if verdict != "ok":
                raise sqlite3.DatabaseError(verdict)
            connection.execute(_SCHEMA)
        except BaseException:
            connection.close()
            raise
        return connection

    def _set_aside(self, error: Exception) -> None:
        """Begin with no offsets: everything is sent again and the listener drops what it has."""
        self.was_broken = True
        log.error(
            "offsets in %s are broken (%s); starting from the beginning of every file", self._path, error
        )
        suffix = f".broken-{int(time.time())}"
        for tail in ("", "-wal", "-shm"):
            path = self._path.with_name(self._path.name + tail)
            if path.exists():
                path.rename(path.with_name(path.name + suffix))

    def offsets(self, uid: str, container: str) -> dict[str, int]:
        """Position by generation for one container."""
        rows = self._reader.execute(
            "SELECT generation, position FROM offsets WHERE uid = ? AND container = ?", (uid, container)
        )
        return dict(rows.fetchall())

    def save(self, positions: Mapping[FileKey, int]) -> None:
        """Write `positions` in one transaction; on return they are on the disk.

        A position never goes back.
        """
        now = time.time()
        self._writer.execute("BEGIN IMMEDIATE")
        try:
            self._writer.executemany(_SAVE, [(*key, position, now) for key, position in positions.items()])
        except BaseException:
            self._writer.execute("ROLLBACK")
            raise
        self._writer.execute("COMMIT")

    def prune(self, present: Set[str], older_than: float) -> int:
        """Forget pods whose uid is not in `present` and that nothing came from for `older_than` seconds."""
        limit = time.time() - older_than
        rows = self._writer.execute("SELECT DISTINCT uid FROM offsets WHERE updated < ?", (limit,)).fetchall()
        gone = [(uid, limit) for (uid,) in rows if uid not in present]
        self._writer.executemany("DELETE FROM offsets WHERE uid = ? AND updated < ?", gone)
        return len(gone)

    def close(self) -> None:
        """Close both connections."""
        self._reader.close()
        self._writer.close()
