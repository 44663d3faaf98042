"""Copies that wait for the listener: contents by SHA-256 beside the index, within the quotas.

Every step leaves the disk in a state from which a start goes on: a content is durable before the index names
it, the index is durable before the source goes, and contents that the index does not name are removed at
the start. Losses are written in the transaction that causes them, so each is reported once.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from decnet_events.transfer import Lost, Offer
from decnet_node.collector.index import Index, Loss, Origin, SourceKey, Waiting

FILE_COST = 16 * 1024
"""Bytes that a copy counts beside its size, so that a flood of tiny files is bounded as well."""

BIG = 1024 * 1024
"""Copies longer than this are sent in slices, between which others have their turn."""

_EVICTED_AT_ONCE = 64
_NOBODY = -1


class NoRoomError(OSError):
    """The disk or the quota has no room at the moment; the message says which."""


@dataclass(frozen=True, slots=True)
class Room:
    """Bytes of the quota that are set aside for a copy, and where it is to be written."""

    decky: str
    cost: int
    path: Path


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy that is whole and durable in its room."""

    offer: Offer
    room: Room


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of one file in a spool: a copy, a loss, or both."""

    name: str
    key: SourceKey
    copy: Copy | None = None
    loss: Loss | None = None


class Store:
    """Thread-safe. Methods that write raise sqlite3.Error or OSError and then have changed nothing."""

    def __init__(self, directory: Path, decky_bytes: int, node_bytes: int, keep_free: int) -> None:
        self._decky_bytes = decky_bytes
        self._node_bytes = node_bytes
        self._keep_free = keep_free
        self._content = directory / "content"
        self._incoming = directory / "incoming"
        for path in (self._content, self._incoming):
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
        _sync_directory(directory)
        self._lock = threading.RLock()
        self._index = Index(directory)
        self.was_broken = self._index.was_broken
        self._reserved: dict[str, int] = {}
        self._sending = _NOBODY
        self._number = 0
        self._clean()
        self._used = {decky: size + count * FILE_COST for decky, (count, size) in self._index.sums().items()}

    def _clean(self) -> None:
        """Remove what a crash left: unfinished copies and contents nobody waits with."""
        for folder in (self._incoming, self._content):
            with os.scandir(folder) as entries:  # one at a time: there can be very many
                for entry in entries:
                    if folder is self._incoming or not self._index.is_wanted(entry.name):
                        (folder / entry.name).unlink()

    def reserve(self, origin: Origin, size: int) -> Room:
        """Room for a copy of `size` bytes; the oldest copies go if need be. `keep` or `give_up` ends it.

        Raises NoRoomError.
        """
        with self._lock:
            disk = os.statvfs(self._incoming)
            if disk.f_bavail * disk.f_frsize < size + self._keep_free:
                raise NoRoomError(f"the disk of {self._incoming} is full")
            cost = size + FILE_COST
            while (excess := self._taken_by(origin.decky) + cost - self._decky_bytes) > 0:
                if not self._evict(origin.decky, excess):
                    raise NoRoomError(f"the quota of {origin.decky} is used by what is being copied and sent")
            while (excess := self._total() + cost - self._node_bytes) > 0:
                self._evict_of_node(excess)
            self._reserved[origin.decky] = self._reserved.get(origin.decky, 0) + cost
            self._number += 1
            return Room(origin.decky, cost, self._incoming / str(self._number))

    def _taken_by(self, decky: str) -> int:
        return self._used.get(decky, 0) + self._reserved.get(decky, 0)

    def _total(self) -> int:
        return sum(self._used.values()) + sum(self._reserved.values())

    def _evict_of_node(self, excess: int) -> None:
        """Drop a copy of the decky that has most; one at a time, as it may be another one after each."""
        deckies = self._used.keys() | self._reserved.keys()
        for decky in sorted(deckies, key=self._taken_by, reverse=True):
            if self._evict(decky, excess, at_once=1):
                return
            if decky in self._reserved:  # others must not pay for what can be dropped in a moment
                break
        raise NoRoomError("the quota of the node is used by what is being copied and sent")

    def _evict(self, decky: str, excess: int, at_once: int = _EVICTED_AT_ONCE) -> bool:
        """Drop the oldest copies of a decky, `excess` bytes or `at_once` of them; False when it has none."""
        victims: list[Waiting] = []
        for it in self._index.oldest(decky, self._sending, at_once):
            victims.append(it)
            excess -= it.offer.size + FILE_COST
            if excess <= 0:
                break
        if victims:
            self._remove(victims, "backlog")
        return bool(victims)

    def give_up(self, room: Room) -> None:
        """End a reservation without a copy."""
        room.path.unlink(missing_ok=True)
        with self._lock:
            self._release(room)

    def _release(self, room: Room) -> None:
        rest = self._reserved.get(room.decky, 0) - room.cost
        if rest > 0:
            self._reserved[room.decky] = rest
        else:
            self._reserved.pop(room.decky, None)

    def keep(self, origin: Origin, files: Sequence[Taken]) -> None:
        """Put copies and losses into the index, all or none; they survive a power cut from then on.

        Every file is settled by it: found in the spool again, it is only removed.
        """
        with self._lock:
            copies = [it.copy for it in files if it.copy is not None]
            try:
                for copy in copies:
                    copy.room.path.replace(self._content / copy.offer.sha256)
                _sync_directory(self._content)
                added = self._write_down(origin, files)
            except BaseException:
                for copy in copies:
                    self._remove_content(copy.offer.sha256)
                raise
            for copy in copies:
                self._release(copy.room)
            if added:
                self._used[origin.decky] = self._used.get(origin.decky, 0) + added

    def _write_down(self, origin: Origin, files: Sequence[Taken]) -> int:
        """One transaction; bytes that more are used by it."""
        added = 0
        with self._index.transaction():
            for it in files:
                if it.copy is not None and self._index.add(it.copy.offer, big=it.copy.offer.size > BIG):
                    added += it.copy.offer.size + FILE_COST
                if it.loss is not None:
                    self._index.lose(origin, it.loss)
                self._index.settle(origin, it.key)
        return added

    def _remove_content(self, sha256: str) -> None:
        """Remove a content unless some copy waits with it."""
        if not self._index.is_wanted(sha256):
            (self._content / sha256).unlink(missing_ok=True)

    def lose(self, origin: Origin, loss: Loss) -> None:
        """Remember to report a loss that no file in the spool stands for."""
        with self._lock, self._index.transaction():
            self._index.lose(origin, loss)

    def removed(self, origin: Origin, keys: Sequence[SourceKey]) -> None:
        """These are gone from the spool for good."""
        with self._lock, self._index.transaction():
            for key in keys:
                self._index.unsettle(origin, key)

    def settled(self, origin: Origin) -> set[SourceKey]:
        """Files in the spool that are done with."""
        with self._lock:
            return self._index.settled(origin)

    def next_turn(self, big: bool, after: str) -> Waiting | None:
        """The copy to send next; it is not dropped for another before `sent_no_more`."""
        with self._lock:
            return self._pin(self._index.next_turn(big, after))

    def again(self, number: int) -> Waiting | None:
        """The same copy for its next slice, if it still waits."""
        with self._lock:
            return self._pin(self._index.get(number))

    def _pin(self, it: Waiting | None) -> Waiting | None:
        self._sending = it.id if it is not None else _NOBODY
        return it

    def sent_no_more(self) -> None:
        """Nothing is being sent: any copy may be dropped for another."""
        with self._lock:
            self._sending = _NOBODY

    def open_content(self, it: Waiting) -> int:
        """A descriptor of the content. Raises OSError."""
        return os.open(self._content / it.offer.sha256, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)

    def forget(self, it: Waiting) -> None:
        """The listener has stored it."""
        with self._lock:
            self._remove([it], None)

    def drop(self, it: Waiting, reason: str) -> None:
        """It will never be stored; that is to be reported."""
        with self._lock:
            self._remove([it], reason)

    def _remove(self, copies: Sequence[Waiting], reason: str | None) -> None:
        """They wait no more; with a `reason` that is a loss."""
        with self._index.transaction():
            for it in copies:
                offer = it.offer
                self._index.remove(it.id)
                if reason is not None:
                    origin = Origin(offer.namespace, offer.pod, offer.uid, offer.container)
                    self._index.lose(origin, Loss(offer.name, offer.kind, offer.size, reason))
        for it in copies:
            self._used[it.decky] = self._used.get(it.decky, 0) - it.offer.size - FILE_COST
            if self._used[it.decky] <= 0:
                del self._used[it.decky]
            self._remove_content(it.offer.sha256)

    def tried(self, it: Waiting) -> None:
        """The bytes arrived damaged once more."""
        with self._lock, self._index.transaction():
            self._index.tried(it.id)

    def loss_to_tell(self) -> Lost | None:
        """The next report to send."""
        with self._lock:
            return self._index.loss_to_tell()

    def noted(self, lost: Lost) -> None:
        """The listener has this report."""
        with self._lock, self._index.transaction():
            self._index.noted(lost.id)

    def pods(self) -> dict[str, tuple[str, str]]:
        """(namespace, name) by uid of the deckies seen so far."""
        with self._lock:
            return self._index.pods()

    def remember_pod(self, uid: str, namespace: str, pod: str) -> None:
        """A decky that may leave files behind when it ends."""
        with self._lock, self._index.transaction():
            self._index.remember_pod(uid, namespace, pod)

    def forget_pod(self, uid: str) -> None:
        """Its volumes are gone."""
        with self._lock, self._index.transaction():
            self._index.forget_pod(uid)

    def state(self) -> tuple[int, int, float | None, int]:
        """(copies, their bytes, Unix time of the oldest, reports) that wait."""
        with self._lock:
            sums = self._index.sums().values()
            copies, size = sum(count for count, _ in sums), sum(size for _, size in sums)
            return copies, size, self._index.oldest_time(), self._index.losses()

    def close(self) -> None:
        """Close the index."""
        with self._lock:
            self._index.close()


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
