"""One log file being read: which generation it holds, and when it has come to its end."""

from __future__ import annotations

import time

from decnet_node.forwarder import cri
from decnet_node.forwarder.files import LogName, Source, UnreadableFileError

QUIET_SECONDS = 0.5
"""A file that has a successor is read to its end when nothing came for so long: the runtime switches
files a moment after it made the new one."""

LINGER_SECONDS = 60.0
"""So long after its end a file is still looked at, for what a stalled runtime writes late. One that was that
old when it was found needs no such wait."""

VANISHED_LINGER_SECONDS = 10.0
"""The same for a deleted file: its blocks stay on the disk while it is open."""

SETTLED_SECONDS = 10.0
"""A file with a successor that had not been changed for so long when it was found needs no waiting at all."""


class TailedFile:
    """State of one open file. Positions are not here: they belong to the generation.

    That is how a copy (copy-truncate, or a compressed rotated file) goes on where its original ended.
    """

    def __init__(self, name: LogName, source: Source) -> None:
        self.name = name
        self.source: Source | None = source
        self.inode = source.inode
        self.gen: str | None = None
        self.vanished = False
        self.emptied = False
        self.broken: str | None = None
        self._largest = 0
        self._modified = source.modified()
        # Asked once: the wall clock may be set while the file is open, and durations are not its business.
        self._age = time.time() - self._modified
        self._quiet_since: float | None = None
        self._ended_at: float | None = None

    @property
    def ended(self) -> bool:
        """Whether the next file may be read."""
        return self._ended_at is not None or self.source is None

    def size(self) -> int:
        """Bytes in the file; notices truncation, after which `gen` is another one and `emptied` is set."""
        if self.source is None:
            return self._largest
        size = self.source.size()
        before = self.gen
        if size < self._largest:
            self.gen = None
        elif (modified := self.source.modified()) != self._modified:
            self._modified = modified
            self._age = 0.0
            self._quiet_since = None
            if self.gen is not None and not self.name.compressed and self._head() != self.gen:
                self.gen = None
        self.emptied |= self.gen is None and before is not None
        self._largest = size
        if self.gen is None and size:
            self.gen = self._head()
        return size

    def _head(self) -> str | None:
        return cri.generation(self.read(0, cri.HEAD_BYTES))

    def read(self, offset: int, limit: int) -> bytes:
        """Bytes of the file; a file that cannot be read is given up as ended and `broken` says why."""
        if self.source is None:
            return b""
        try:
            return self.source.read(offset, limit)
        except UnreadableFileError as error:
            self.broken = str(error)
            self.close()
            return b""

    def quiet(self) -> bool:
        """Whether the file has been read to the end and, having a successor, may be left behind."""
        now = time.monotonic()
        if self._quiet_since is None:
            self._quiet_since = now
        if self.source is None or self.name.compressed:
            return True
        if self._age > SETTLED_SECONDS:
            return True
        return now - self._quiet_since >= QUIET_SECONDS

    def may_close(self) -> bool:
        """Whether nothing will be written to the file any more."""
        if self.source is None or self.name.compressed:
            return True
        if not self.vanished and self._age > LINGER_SECONDS:
            return True
        linger = VANISHED_LINGER_SECONDS if self.vanished else LINGER_SECONDS
        since = max(self._ended_at or time.monotonic(), self._quiet_since or 0.0)
        return time.monotonic() - since > linger

    def end(self) -> None:
        """Leave the file behind; it is closed once it has lingered."""
        if self._ended_at is None:
            self._ended_at = time.monotonic()
        if self.may_close():
            self.close()

    def is_same(self, name: LogName, size: int) -> bool:
        """Whether a file found with this inode is this one; an inode is used again once it was closed."""
        return self.source is not None or (self.name == name and (name.compressed or size == self._largest))

    def close(self) -> None:
        """Give the descriptor back; what is known of the file stays."""
        if self.source is not None:
            self.source.close()
            self.source = None
