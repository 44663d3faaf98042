"""One file in a spool, which an intruder may have made: opened without trust, copied within bounds."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

PIECE = 256 * 1024
_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
_NOT_A_FILE = (errno.ELOOP, errno.ENXIO, errno.ENODEV, errno.EISDIR, errno.EMLINK)
_LATEST = 4102444800.0  # 2100: a time of modification can be anything


class UnfitError(Exception):
    """The file is not taken; `reason` is one of decnet_events.transfer.LOSSES, `size` what it claims to have."""

    def __init__(self, reason: str, size: int = 0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.size = size


class VanishedError(Exception):
    """The file was there a moment ago. A service drops its oldest files itself, and says so itself."""


@dataclass(frozen=True, slots=True)
class Content:
    """What was read of a file. `missing` bytes were not, for `reason` (None: it is whole)."""

    sha256: str
    size: int
    modified: datetime
    missing: int
    reason: str | None


class Source:
    """An open regular file with one name. Readable even when it is deleted meanwhile."""

    def __init__(self, directory: int, name: str) -> None:
        """Open `name` in `directory`. Raises UnfitError for what is no such file, VanishedError for nothing."""
        try:
            self._descriptor = os.open(name, _OPEN, dir_fd=directory)
        except FileNotFoundError as error:
            raise VanishedError from error
        except OSError as error:
            raise UnfitError("type" if error.errno in _NOT_A_FILE else "unreadable") from error
        self._status = os.fstat(self._descriptor)
        if not is_plain(self._status):
            self.close()
            raise UnfitError("type", self._status.st_size)

    @property
    def size(self) -> int:
        """Bytes it had when it was opened."""
        return self._status.st_size

    def copy(self, path: Path, limit: int) -> Content:
        """Write at most `limit` bytes to a new file at `path`; durable on return.

        It reads what the file had when it was opened: one that grows is not followed. Raises UnfitError
        when not a byte of it can be read, other OSErrors when the copy cannot be written.
        """
        target = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            digest = hashlib.sha256()
            size = 0
            for piece in self._pieces(min(self.size, limit)):
                digest.update(piece)
                _write(target, piece)
                size += len(piece)
            os.fsync(target)
        finally:
            os.close(target)
        after = os.fstat(self._descriptor)
        missing = max(after.st_size, self.size) - size
        changed = (after.st_size, after.st_mtime_ns) != (self.size, self._status.st_mtime_ns)
        reason = "size" if self.size > limit else "changed" if changed or missing else None
        modified = datetime.fromtimestamp(min(max(self._status.st_mtime, 0.0), _LATEST), UTC)
        return Content(digest.hexdigest(), size, modified, missing, reason)

    def _pieces(self, limit: int) -> Iterator[bytes]:
        done = 0
        while done < limit:
            try:
                piece = os.pread(self._descriptor, min(PIECE, limit - done), done)
            except OSError as error:
                if not done:
                    raise UnfitError("unreadable", self.size) from error
                return
            if not piece:
                return
            yield piece
            done += len(piece)

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self._descriptor)


def is_plain(status: os.stat_result) -> bool:
    """Whether it is a regular file with one name (or none any more)."""
    return stat.S_ISREG(status.st_mode) and status.st_nlink <= 1


def remove(directory: int, name: str, inode: int) -> bool:
    """Take a name out of a spool unless it is another file's by now; whether this inode has it no more."""
    try:
        status = os.stat(name, dir_fd=directory, follow_symlinks=False)
        if status.st_ino == inode:
            if stat.S_ISDIR(status.st_mode):
                os.rmdir(name, dir_fd=directory)
            else:
                os.unlink(name, dir_fd=directory)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def sync(directory: int) -> None:
    """Make removals last; a file system that cannot is left alone."""
    with suppress(OSError):
        os.fsync(directory)


def _write(descriptor: int, piece: bytes) -> None:
    view = memoryview(piece)
    while view:
        view = view[os.write(descriptor, view) :]
