"""Artifacts that are not whole yet: files of `incoming/<node>/<sha256>`, bounded for each node.

They outlive the process, so an upload goes on where it stopped. A lock on the file keeps two listeners
that share the folder from writing the same one.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from decnet_intel.artifacts.directory import make_directory

_FLAGS = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC


class BusyError(OSError):
    """Another connection writes this artifact, or all places are taken by ones that are being written."""


class Partial:
    """One unfinished artifact, open and locked. Every method blocks.

    The mutex keeps `close` from giving the file's number to another file while a thread still writes.
    """

    def __init__(self, path: Path, number: int) -> None:
        self.path = path
        self._number = number
        self._mutex = threading.Lock()
        self.offset = os.fstat(number).st_size
        """Bytes that are there."""

    def write(self, pieces: list[bytes]) -> None:
        """Append `pieces` and wait until they would survive a power cut.

        Raises OSError when the disk is full; `offset` then counts what found room.
        """
        waiting = memoryview(b"".join(pieces))
        with self._mutex:
            while waiting:
                written = os.pwrite(self._number, waiting, self.offset)
                self.offset += written
                waiting = waiting[written:]
            os.fdatasync(self._number)

    def matches(self, sha256: str) -> bool:
        """Whether all that is there has this SHA-256."""
        with self._mutex:
            number = os.dup(self._number)
        with os.fdopen(number, "rb") as file:
            file.seek(0)
            return hashlib.file_digest(file, "sha256").hexdigest() == sha256

    def sync(self) -> None:
        """Wait until all that is there would survive a power cut, its size and times included."""
        with self._mutex:
            os.fsync(self._number)

    def discard(self) -> None:
        """Remove the file, if it was not moved away, and close it."""
        self.path.unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        """Leave the file as it is for another time; more than once does nothing."""
        with self._mutex:
            if self._number >= 0:
                os.close(self._number)
                self._number = -1


@dataclass(frozen=True, slots=True)
class _Left:
    """An unfinished artifact of which nobody may be the owner."""

    path: Path
    size: int
    changed: float


class Incoming:
    """The unfinished artifacts of all nodes. Every method blocks.

    Arguments: `folder`; `most_files` and `most_bytes` of one node.
    """

    def __init__(self, folder: Path, most_files: int, most_bytes: int) -> None:
        self._folder = folder
        self._most_files = most_files
        self._most_bytes = most_bytes

    def open(self, node: str, sha256: str, size: int) -> Partial:
        """The artifact with what came before, making room by dropping the node's oldest others.

        Raises BusyError when somebody writes it or there is no room; OSError when the disk is full.
        """
        folder = self._folder / hashlib.sha256(node.encode()).hexdigest()[:32]
        self._folder.mkdir(mode=0o770, parents=True, exist_ok=True)
        make_directory(folder)
        path = folder / sha256
        self._make_room(folder, path, size)
        partial = Partial(path, _open_locked(path))
        if partial.offset > size:  # of an offer that lied about the size, this one or that
            partial.discard()
            return Partial(path, _open_locked(path))
        return partial

    def drop_older_than(self, seconds: float) -> int:
        """Remove what was not added to for so long; how many."""
        before = time.time() - seconds
        dropped = 0
        if not self._folder.is_dir():
            return 0
        for folder in list(self._folder.iterdir()):
            for left in _left_in(folder):
                dropped += left.changed < before and _remove(left.path)
            with contextlib.suppress(OSError):  # not empty, which is the rule
                folder.rmdir()
        return dropped

    def _make_room(self, folder: Path, path: Path, size: int) -> None:
        others = sorted(
            (left for left in _left_in(folder) if left.path != path), key=lambda left: left.changed
        )
        count, total = len(others), sum(left.size for left in others)
        for left in others:
            if count < self._most_files and total + size <= self._most_bytes:
                return
            if _remove(left.path):
                count -= 1
                total -= left.size
        if count >= self._most_files or total + size > self._most_bytes:
            raise BusyError("all places for unfinished artifacts of the node are taken")


def _left_in(folder: Path) -> Iterator[_Left]:
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):
                found = entry.stat(follow_symlinks=False)
                yield _Left(Path(entry.path), found.st_size, found.st_mtime)


def _open_locked(path: Path) -> int:
    """The file at `path`, made when it is missing, which nobody else has locked. Raises BusyError."""
    while True:
        number = os.open(path, _FLAGS, 0o640)
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(number), path.lstat()):
                    return number
        except BlockingIOError as error:
            os.close(number)
            raise BusyError("another connection sends this artifact") from error
        except OSError:
            os.close(number)
            raise
        os.close(number)  # it was removed between opening and locking


def _remove(path: Path) -> bool:
    """Remove the file unless somebody writes it; whether it is gone."""
    try:
        number = _open_locked(path)
    except BusyError:
        return False
    try:
        path.unlink(missing_ok=True)
    finally:
        os.close(number)
    return True
