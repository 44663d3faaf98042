"""The logs of one container, as one sequence of lines in order.

Files come and go (rotation, compression, restarts of the container); positions are kept by
generation. Reading is done in bounded pieces so that the caller can be fair between containers.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from decnet_events.envelope import MalformedEnvelopeError, envelope, envelope_head, parse_time
from decnet_events.framing import encode_frame
from decnet_node.forwarder.cri import Joiner, Line
from decnet_node.forwarder.files import Container, LogName, open_log, parse_log_name
from decnet_node.forwarder.state import FileKey
from decnet_node.forwarder.tail import TailedFile
from decnet_node.forwarder.window import Batch

log = logging.getLogger(__name__)

PIECE = 128 * 1024
"""Bytes read at a time: more than a line's limit, so that a longer record is known to be cut."""

_SCAN_PIECES = 16
_KEPT_GENERATIONS = 64


class ContainerLog:
    """Reads one container's directory. Not thread-safe."""

    def __init__(
        self, container: Container, directory: Path, node: str, max_line: int, positions: Mapping[str, int]
    ) -> None:
        self.container = container
        self.unreadable = 0
        self._directory = directory
        self._node = node
        self._joiner = Joiner(max_line)
        self._positions = dict(positions)
        self._reported = dict(positions)
        self._acknowledged = dict(positions)
        self._heads: dict[str, bytes] = {}
        self._files: list[TailedFile] = []
        self._scanned: tuple[str, int, int] | None = (
            None  # in an endless record: generation, start, scanned to
        )

    @property
    def done(self) -> bool:
        """Whether the directory is gone and everything that was in it has been read."""
        return not self._files and not self._directory.exists()

    def rescan(self) -> None:
        """Look which files there are. Cheap when nothing changed."""
        known = {tail.inode: tail for tail in self._files}
        found: list[TailedFile] = []
        for path, name in self._listing():
            with suppress(FileNotFoundError):
                status = path.stat()
                tail = known.get((status.st_dev, status.st_ino))
                if tail is not None and tail.is_same(name, status.st_size):
                    del known[tail.inode]
                    tail.name = name
                    tail.vanished = False
                    found.append(tail)
                else:
                    found += self._open(path, name)
        for tail in known.values():
            tail.vanished = True
            if tail.source is not None:
                found.append(tail)
        # A file that was renamed while we looked seems to have vanished, and its successor has its name.
        self._files = sorted(found, key=lambda tail: (tail.name.order, not tail.vanished))

    def _listing(self) -> list[tuple[Path, LogName]]:
        try:
            paths = list(self._directory.iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return []
        return [(path, name) for path in paths if (name := parse_log_name(path.name)) is not None]

    def _open(self, path: Path, name: LogName) -> list[TailedFile]:
        try:
            return [TailedFile(name, open_log(path, compressed=name.compressed))]
        except FileNotFoundError:
            return []
        except OSError as error:
            self.unreadable += 1
            log.warning("cannot read %s: %s", path, error)
            return []

    def read(self) -> Batch | None:
        """The next piece, or None when there is nothing to be read now.

        A batch may be empty: something was read and no line ended in it.
        """
        for tail, following in itertools.zip_longest(self._files, self._files[1:]):
            size = tail.size()
            if tail.emptied:  # what was in it may be in a copy that we have not seen, and comes first
                tail.emptied = False
                self.rescan()
                return self._batch([])
            if tail.gen is not None and self._positions.setdefault(tail.gen, 0) < size:
                lines = self._read_records(tail, tail.gen)
                if lines is not None:
                    return self._batch(lines)
            if following is None and not tail.vanished:
                return None
            if not tail.ended and not tail.quiet():
                return None
            lines = self._leave(tail, following, size)
            if lines:
                return self._batch(lines)
        if any(tail.vanished and tail.source is None for tail in self._files):
            self.rescan()
        return None

    def _read_records(self, tail: TailedFile, gen: str) -> list[Line] | None:
        """The lines in the next piece of `tail`; None when there is no whole record."""
        position = self._positions[gen]
        data = tail.read(position, PIECE)
        end = data.rfind(b"\n") + 1
        if end:
            self._positions[gen] = position + end
            return self._joiner.feed(gen, position, data[:end])
        if len(data) < PIECE:
            return None
        return self._read_endless(tail, gen, data)

    def _read_endless(self, tail: TailedFile, gen: str, beginning: bytes) -> list[Line] | None:
        """A record longer than a piece: its beginning is the (cut) line, the rest is only skipped."""
        start = self._positions[gen]
        at = start + len(beginning)
        if self._scanned is not None and self._scanned[:2] == (gen, start):
            at = self._scanned[2]
        for _ in range(_SCAN_PIECES):
            data = tail.read(at, PIECE)
            end = data.find(b"\n")
            if end >= 0:
                self._scanned = None
                self._positions[gen] = at + end + 1
                return self._joiner.feed(gen, start, beginning)
            at += len(data)
            if len(data) < PIECE:
                break
        advanced = self._scanned != (gen, start, at)
        self._scanned = (gen, start, at)
        return [] if advanced else None

    def _leave(self, tail: TailedFile, following: TailedFile | None, size: int) -> list[Line]:
        """What is still to be said when `tail` is over: a torn record, lines without their end."""
        lines: list[Line] = []
        gen = tail.gen
        over = not tail.ended or tail.may_close()
        if over and gen is not None and tail.source is not None and not self._continues(tail, gen):
            position = self._positions[gen]
            rest = tail.read(position, PIECE) if position < size else b""
            if rest:
                self._positions[gen] = size
                lines = self._joiner.feed(gen, position, rest, torn=True)
        if not tail.ended and (following is None or following.name.instance != tail.name.instance):
            lines += self._joiner.flush()
        tail.end()
        if tail.broken is not None:
            self.unreadable += 1
            log.warning("%s in %s is given up: %s", tail.name, self._directory, tail.broken)
            tail.broken = None
        return lines

    def _continues(self, tail: TailedFile, gen: str) -> bool:
        """Whether another file has more of the same generation (`tail` is a copy being made)."""
        return any(
            other is not tail and other.gen == gen and other.source is not None and other.size() > tail.size()
            for other in self._files
        )

    def _batch(self, lines: list[Line]) -> Batch:
        frames = []
        for gen, offset, time, stream, cut, content in lines:
            head = self._heads.get(gen) or self._make_head(gen)
            frames.append(encode_frame(envelope(head, offset, time, stream, cut, content)))
        commits: dict[FileKey, int] = {}
        for gen, position in self._positions.items():
            resume = self._joiner.resume(gen, position)
            if self._reported.get(gen) != resume:
                self._reported[gen] = resume
                commits[FileKey(self.container.uid, self.container.name, gen)] = resume
        return Batch(b"".join(frames), len(frames), commits, _unix(lines[0].time) if lines else 0.0)

    def _make_head(self, gen: str) -> bytes:
        it = self.container
        for table in (self._positions, self._reported, self._acknowledged):
            _forget_oldest(table)
        if len(self._heads) > _KEPT_GENERATIONS:
            self._heads.clear()
        head = self._heads[gen] = envelope_head(self._node, it.namespace, it.pod, it.uid, it.name, gen)
        return head

    def acknowledged(self, gen: str, position: int) -> None:
        """The listener has everything before `position`; for the measure of lag only."""
        self._acknowledged[gen] = position

    def lag_bytes(self) -> int:
        """Bytes on the disk that are not acknowledged."""
        sizes = {tail.gen: tail.size() for tail in self._files if tail.gen is not None}
        return sum(max(size - self._acknowledged.get(gen, 0), 0) for gen, size in sizes.items())

    def close(self) -> None:
        """Close every file."""
        for tail in self._files:
            tail.close()


def _forget_oldest(table: dict[str, int]) -> None:
    """Bound what is known of generations that are long gone; one still there would only be sent again."""
    while len(table) > _KEPT_GENERATIONS:
        del table[next(iter(table))]


def _unix(time: bytes) -> float:
    try:
        return parse_time(time.decode("ascii")).timestamp()
    except MalformedEnvelopeError:
        return 0.0
