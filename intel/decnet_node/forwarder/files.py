"""Log files on the disk: their names, and reading them at an offset, compressed or not."""

from __future__ import annotations

import gzip
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

_LOG_NAME = re.compile(r"(\d{1,9})\.log(?:\.(\d[0-9TZ:.-]*))?(\.gz)?", re.ASCII)
_POD_NAME = re.compile(r"([a-z0-9.-]{1,63})_([a-z0-9.-]{1,253})_([A-Za-z0-9-]{1,64})", re.ASCII)
_CONTAINER_NAME = re.compile(r"[a-z0-9-]{1,63}", re.ASCII)


@dataclass(frozen=True, slots=True)
class LogName:
    """What kubelet says with a file name: `<instance>.log`, with a stamp once rotated.

    `instance` counts the starts of the container.
    """

    instance: int
    stamp: str | None
    compressed: bool

    @property
    def order(self) -> tuple[int, bool, str, bool]:
        """Sorts the files of a container in the order of their lines."""
        return (self.instance, self.stamp is None, self.stamp or "", self.compressed)


def parse_log_name(name: str) -> LogName | None:
    """What `name` says, or None for a file that is none of ours (kubelet's `.tmp` while it compresses)."""
    found = _LOG_NAME.fullmatch(name)
    if found is None:
        return None
    return LogName(int(found[1]), found[2], found[3] is not None)


@dataclass(frozen=True, slots=True)
class Container:
    """One container of one pod."""

    namespace: str
    pod: str
    uid: str
    name: str


def parse_pod_directory(name: str) -> tuple[str, str, str] | None:
    """(namespace, pod, uid) of a directory under the log root, or None."""
    found = _POD_NAME.fullmatch(name)
    return (found[1], found[2], found[3]) if found else None


def is_container_name(name: str) -> bool:
    """Whether Kubernetes would allow a container of this name."""
    return _CONTAINER_NAME.fullmatch(name) is not None


class UnreadableFileError(OSError):
    """The file is there and cannot be read as a log: no regular file, or broken compression."""


class Source(Protocol):
    """An open log file. Stays readable after it was renamed or deleted."""

    inode: tuple[int, int]

    def size(self) -> int:
        """Bytes of (uncompressed) content right now."""

    def modified(self) -> float:
        """Unix time of the last change."""

    def read(self, offset: int, limit: int) -> bytes:
        """At most `limit` bytes from `offset` on. Raises UnreadableFileError."""

    def close(self) -> None:
        """Give the descriptor back."""


class PlainFile:
    """A log file as the runtime writes it."""

    def __init__(self, descriptor: int, status: os.stat_result) -> None:
        self._descriptor = descriptor
        self.inode = (status.st_dev, status.st_ino)
        self._modified = status.st_mtime

    def size(self) -> int:
        status = os.fstat(self._descriptor)
        self._modified = status.st_mtime
        return status.st_size

    def modified(self) -> float:
        return self._modified

    def read(self, offset: int, limit: int) -> bytes:
        try:
            return os.pread(self._descriptor, limit, offset)
        except OSError as error:
            raise UnreadableFileError(error.errno, error.strerror) from error

    def close(self) -> None:
        os.close(self._descriptor)


class CompressedFile:
    """A rotated log that kubelet has compressed (gzip, one member). It does not grow any more."""

    def __init__(self, descriptor: int, status: os.stat_result) -> None:
        self.inode = (status.st_dev, status.st_ino)
        self._modified = status.st_mtime
        # The trailer has the uncompressed size modulo 2^32: kubelet rotates long before 4 GiB.
        trailer = os.pread(descriptor, 4, max(status.st_size - 4, 0))
        self._size = int.from_bytes(trailer, "little") if status.st_size >= 18 else 0
        self._raw = os.fdopen(descriptor, "rb")
        self._file = gzip.GzipFile(fileobj=self._raw, mode="rb")

    def size(self) -> int:
        return self._size

    def modified(self) -> float:
        return self._modified

    def read(self, offset: int, limit: int) -> bytes:
        try:
            self._file.seek(offset)
            return self._file.read(limit)
        except (OSError, EOFError, ValueError) as error:
            raise UnreadableFileError(f"broken gzip: {error}") from error

    def close(self) -> None:
        self._file.close()
        self._raw.close()


def open_log(path: Path, *, compressed: bool) -> Source:
    """Open `path`, following a symbolic link as some runtimes make them.

    Raises FileNotFoundError when it vanished meanwhile, UnreadableFileError when it is not a regular file,
    other OSErrors as the system gives them. Never blocks on a pipe or a device.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise UnreadableFileError(f"{path} is not a regular file")
        return CompressedFile(descriptor, status) if compressed else PlainFile(descriptor, status)
    except BaseException:
        os.close(descriptor)
        raise
