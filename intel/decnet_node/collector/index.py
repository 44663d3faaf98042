"""The collector's memory on the disk: what waits, what is lost, which sources are done with."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from decnet_events.transfer import Lost, Offer
from decnet_node.durable import open_durable

_SCHEMA = """
CREATE TABLE IF NOT EXISTS waiting (
  id INTEGER PRIMARY KEY AUTOINCREMENT, decky TEXT NOT NULL, big INTEGER NOT NULL, tries INTEGER NOT NULL,
  sha256 TEXT NOT NULL, size INTEGER NOT NULL, namespace TEXT NOT NULL, pod TEXT NOT NULL, uid TEXT NOT NULL,
  container TEXT NOT NULL, name TEXT NOT NULL, kind TEXT NOT NULL, modified REAL NOT NULL,
  cut INTEGER NOT NULL, taken REAL NOT NULL,
  UNIQUE (uid, container, name, sha256)
) STRICT;
CREATE INDEX IF NOT EXISTS waiting_turns ON waiting (big, decky, id);
CREATE INDEX IF NOT EXISTS waiting_age ON waiting (decky, id);
CREATE INDEX IF NOT EXISTS waiting_content ON waiting (sha256);
CREATE TABLE IF NOT EXISTS losses (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, told INTEGER NOT NULL,
  namespace TEXT NOT NULL, pod TEXT NOT NULL, uid TEXT NOT NULL, container TEXT NOT NULL,
  name TEXT NOT NULL, kind TEXT NOT NULL, bytes INTEGER NOT NULL, count INTEGER NOT NULL, reason TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS losses_of_pod ON losses (uid);
CREATE TABLE IF NOT EXISTS settled (
  uid TEXT NOT NULL, container TEXT NOT NULL, inode INTEGER NOT NULL, changed_ns INTEGER NOT NULL,
  PRIMARY KEY (uid, container, inode, changed_ns)
) WITHOUT ROWID, STRICT;
CREATE TABLE IF NOT EXISTS pods (
  uid TEXT PRIMARY KEY, namespace TEXT NOT NULL, pod TEXT NOT NULL
) WITHOUT ROWID, STRICT;
"""
_OFFER = "sha256, size, namespace, pod, uid, container, name, kind, modified, cut"
_LOST = "id, namespace, pod, uid, container, name, kind, bytes, count, reason"
_SINGLE_LOSSES = 64  # of one pod that are told one by one; more of them are told as sums
_CACHE_KIB = 2048
_MAX_BYTES = 2**62
_MAX_COUNT = 2**30


class Origin(NamedTuple):
    """The container that a file comes from."""

    namespace: str
    pod: str
    uid: str
    container: str

    @property
    def decky(self) -> str:
        """What quotas and turns go by."""
        return f"{self.namespace}/{self.pod}"


class SourceKey(NamedTuple):
    """One state of one file in a spool; never that of another file."""

    inode: int
    changed_ns: int


class Waiting(NamedTuple):
    """A copy that waits for the listener. `tries`: how often it arrived damaged."""

    id: int
    decky: str
    tries: int
    offer: Offer


@dataclass(frozen=True, slots=True)
class Loss:
    """One file's loss, to be reported; `name` is empty when it must not be told."""

    name: str
    kind: str
    bytes: int
    reason: str


class Index:
    """The tables. Not thread-safe: the store sees to that."""

    def __init__(self, directory: Path) -> None:
        # Without it nobody knows whose the copies were; what is still in the spools is collected anew.
        self._db, self.was_broken = open_durable(
            directory / "index.db",
            _CACHE_KIB,
            lambda db: db.executescript(_SCHEMA),
            "starting with an empty one",
        )

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; on the disk when it ends. Raises sqlite3.Error."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    def add(self, offer: Offer, *, big: bool) -> bool:
        """Let a copy wait; False when it does already."""
        origin = Origin(offer.namespace, offer.pod, offer.uid, offer.container)
        cursor = self._db.execute(
            f"INSERT INTO waiting (decky, big, tries, {_OFFER}, taken)"  # noqa: S608 - constants
            " VALUES (?, ?, 0, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (
                *(origin.decky, big, offer.sha256, offer.size, *origin, offer.name, offer.kind),
                *(offer.modified.timestamp(), offer.cut, time.time()),
            ),
        )
        return cursor.rowcount == 1

    def remove(self, number: int) -> None:
        """A copy waits no more."""
        self._db.execute("DELETE FROM waiting WHERE id = ?", (number,))

    def is_wanted(self, sha256: str) -> bool:
        """Whether a waiting copy has this content."""
        return bool(self._db.execute("SELECT 1 FROM waiting WHERE sha256 = ? LIMIT 1", (sha256,)).fetchone())

    def oldest(self, decky: str, spared: int, limit: int) -> list[Waiting]:
        """The copies of a decky that have waited longest, without `spared`."""
        return self._waiting("decky = ? AND id != ? ORDER BY id LIMIT ?", decky, spared, limit)

    def next_turn(self, big: bool, after: str) -> Waiting | None:
        """The oldest copy of the decky whose turn it is, deckies taking turns by name."""
        for condition in ("decky > ?", "decky <= ?"):
            found = self._waiting(f"big = ? AND {condition} ORDER BY decky, id LIMIT 1", big, after)
            if found:
                return found[0]
        return None

    def get(self, number: int) -> Waiting | None:
        """The copy of this id, if it still waits."""
        found = self._waiting("id = ?", number)
        return found[0] if found else None

    def tried(self, number: int) -> None:
        """Count an arrival in which the bytes were not those that were sent."""
        self._db.execute("UPDATE waiting SET tries = tries + 1 WHERE id = ?", (number,))

    def _waiting(self, condition: str, *values: object) -> list[Waiting]:
        rows = self._db.execute(
            f"SELECT id, decky, tries, {_OFFER} FROM waiting WHERE {condition}",  # noqa: S608 - constants
            values,
        )
        found = []
        for number, decky, tries, *fields in rows:
            sha256, size, namespace, pod, uid, container, name, kind, modified, cut = fields
            when = datetime.fromtimestamp(modified, UTC)
            offer = Offer(sha256, size, namespace, pod, uid, container, name, kind, when, bool(cut))
            found.append(Waiting(number, decky, tries, offer))
        return found

    def sums(self) -> dict[str, tuple[int, int]]:
        """(copies, bytes) by decky."""
        rows = self._db.execute("SELECT decky, count(*), sum(size) FROM waiting GROUP BY decky")
        return {decky: (count, size) for decky, count, size in rows}

    def oldest_time(self) -> float | None:
        """When the copy was taken that has waited longest (Unix time)."""
        row = self._db.execute("SELECT taken FROM waiting ORDER BY id LIMIT 1").fetchone()
        return row[0] if row else None

    def lose(self, origin: Origin, loss: Loss) -> None:
        """Remember to report it. What nobody was told yet is summed up once there is much of it."""
        (single,) = self._db.execute("SELECT count(*) FROM losses WHERE uid = ?", (origin.uid,)).fetchone()
        row = None
        if single >= _SINGLE_LOSSES:
            row = self._db.execute(
                "SELECT seq, bytes, count FROM losses WHERE uid = ? AND container = ? AND kind = ? AND reason = ?"
                " AND told = 0 ORDER BY seq DESC LIMIT 1",
                (origin.uid, origin.container, loss.kind, loss.reason),
            ).fetchone()
        if row is not None:
            total, count = min(row[1] + loss.bytes, _MAX_BYTES), min(row[2] + 1, _MAX_COUNT)
            self._db.execute(
                "UPDATE losses SET name = '', bytes = ?, count = ? WHERE seq = ?", (total, count, row[0])
            )
            return
        self._db.execute(
            f"INSERT INTO losses (told, {_LOST}) VALUES (0, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
            (
                uuid.uuid4().hex,
                *origin,
                loss.name,
                loss.kind,
                min(loss.bytes, _MAX_BYTES),
                1,
                loss.reason,
            ),
        )

    def loss_to_tell(self) -> Lost | None:
        """The next report to send; from now on it stays as it is."""
        row = self._db.execute(
            f"SELECT seq, told, {_LOST} FROM losses ORDER BY told DESC, seq LIMIT 1"  # noqa: S608 - constants
        ).fetchone()
        if row is None:
            return None
        seq, told, *lost = row
        if not told:
            with self.transaction():
                self._db.execute("UPDATE losses SET told = 1 WHERE seq = ?", (seq,))
        return Lost(*lost)

    def noted(self, number: str) -> None:
        """The listener has this report."""
        self._db.execute("DELETE FROM losses WHERE id = ?", (number,))

    def losses(self) -> int:
        """Reports that wait."""
        (count,) = self._db.execute("SELECT count(*) FROM losses").fetchone()
        return int(count)

    def settle(self, origin: Origin, key: SourceKey) -> None:
        """The file in the spool is done with: it only has to be removed."""
        self._db.execute(
            "INSERT OR IGNORE INTO settled VALUES (?, ?, ?, ?)", (origin.uid, origin.container, *key)
        )

    def unsettle(self, origin: Origin, key: SourceKey) -> None:
        """The file has been removed."""
        self._db.execute(
            "DELETE FROM settled WHERE uid = ? AND container = ? AND inode = ? AND changed_ns = ?",
            (origin.uid, origin.container, *key),
        )

    def settled(self, origin: Origin) -> set[SourceKey]:
        """Files that are done with and could not be removed yet."""
        rows = self._db.execute(
            "SELECT inode, changed_ns FROM settled WHERE uid = ? AND container = ?",
            (origin.uid, origin.container),
        )
        return {SourceKey(*row) for row in rows}

    def pods(self) -> dict[str, tuple[str, str]]:
        """(namespace, name) by uid of the deckies seen so far."""
        rows = self._db.execute("SELECT uid, namespace, pod FROM pods")
        return {uid: (namespace, pod) for uid, namespace, pod in rows}

    def remember_pod(self, uid: str, namespace: str, pod: str) -> None:
        """A decky that may leave files behind when it ends."""
        self._db.execute("INSERT OR REPLACE INTO pods VALUES (?, ?, ?)", (uid, namespace, pod))

    def forget_pod(self, uid: str) -> None:
        """Its volumes are gone."""
        self._db.execute("DELETE FROM pods WHERE uid = ?", (uid,))
        self._db.execute("DELETE FROM settled WHERE uid = ?", (uid,))

    def close(self) -> None:
        """Close the file."""
        self._db.close()
