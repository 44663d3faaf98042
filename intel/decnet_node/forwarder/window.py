"""What has been read and not yet acknowledged: the bound on memory, and the way back after a failure.

Batches leave the window in order, when the listener has acknowledged their last line. Their bytes are
kept until then, so that a file may be deleted or truncated meanwhile. Pure: no I/O, no clock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from decnet_node.forwarder.state import FileKey


class WindowError(ValueError):
    """The peer acknowledged what cannot be: fewer than before or more than was sent."""


class Lag(NamedTuple):
    """What of a container the listener has not acknowledged.

    Lines that are not read yet are estimated from the size of those last read. `seconds` is the age of the oldest
    line read, or how long ago everything had been read.
    """

    lines: float
    bytes: int
    seconds: float


class Waiting:
    """What of one container is in the window."""

    def __init__(self) -> None:
        self.lines = 0
        self.bytes = 0
        self._oldest: deque[float] = deque()

    @property
    def oldest(self) -> float | None:
        """Unix time of the oldest line."""
        return self._oldest[0] if self._oldest else None

    def entered(self, batch: Batch) -> None:
        """`batch` was put in."""
        self.lines += batch.count
        self.bytes += batch.size
        self._oldest.append(batch.oldest)

    def left(self, batch: Batch) -> None:
        """`batch`, the oldest of this container, was acknowledged."""
        self.lines -= batch.count
        self.bytes -= batch.size
        self._oldest.popleft()


@dataclass(slots=True)
class Batch:
    """Frames of one container, and the offsets that hold once they are acknowledged.

    `oldest` is the Unix time of the first line, as the runtime wrote it; `size` the bytes on the disk
    that were read for it; `cut` how many of the lines are cut.
    """

    frames: bytes
    count: int
    commits: dict[FileKey, int]
    oldest: float = 0.0
    size: int = 0
    cut: int = 0
    waiting: Waiting = field(default_factory=Waiting)


class Window:
    """Bounded by lines and by bytes; a single batch may exceed them, so nothing ever gets stuck."""

    def __init__(self, max_lines: int, max_bytes: int) -> None:
        self._max_lines = max_lines
        self._max_bytes = max_bytes
        self._batches: deque[Batch] = deque()
        self._given = 0  # batches of the deque that this connection has been given
        self._given_lines = 0  # lines this connection has been given, ever
        self._left_lines = 0  # lines of this connection whose batches have left
        self._acknowledged = 0
        self.lines = 0
        self.bytes = 0

    @property
    def full(self) -> bool:
        """Whether reading must wait."""
        return self.lines >= self._max_lines or self.bytes >= self._max_bytes

    @property
    def awaiting(self) -> bool:
        """Whether this connection owes an acknowledgement."""
        return self._given_lines > self._acknowledged

    def push(self, batch: Batch) -> Mapping[FileKey, int]:
        """Put `batch` in.

        Gives the commits that hold at once: those of a batch without lines with nothing before it.
        """
        if batch.count:
            self._batches.append(batch)
            self.lines += batch.count
            self.bytes += len(batch.frames)
            batch.waiting.entered(batch)
            return {}
        if not self._batches:
            return batch.commits
        self._batches[-1].commits.update(batch.commits)
        return {}

    def take(self) -> bytes | None:
        """The frames to send next on this connection, or None."""
        if self._given == len(self._batches):
            return None
        batch = self._batches[self._given]
        self._given += 1
        self._given_lines += batch.count
        return batch.frames

    def reconnect(self) -> int:
        """A new connection begins: everything in the window is to be sent on it.

        Gives how many lines that is again.
        """
        again = self._given_lines - self._left_lines
        self._given = self._given_lines = self._left_lines = self._acknowledged = 0
        return again

    def acknowledge(self, count: int) -> tuple[int, dict[FileKey, int]]:
        """The first `count` lines of this connection are committed.

        Gives how many that is since the last time, and the offsets that hold now. Raises WindowError.
        """
        if not self._acknowledged <= count <= self._given_lines:
            raise WindowError(f"acknowledged {count}, not in {self._acknowledged}..{self._given_lines}")
        fresh = count - self._acknowledged
        self._acknowledged = count
        commits: dict[FileKey, int] = {}
        while self._given and self._left_lines + self._batches[0].count <= count:
            batch = self._batches.popleft()
            self._given -= 1
            self._left_lines += batch.count
            self.lines -= batch.count
            self.bytes -= len(batch.frames)
            batch.waiting.left(batch)
            commits.update(batch.commits)
        return fresh, commits
