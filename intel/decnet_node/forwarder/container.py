"""The logs of one container, as one sequence of lines in order.

Files come and go (rotation, compression, restarts of the container); positions are kept by
generation. Reading is done in bounded pieces so that the caller can be fair between containers.
"""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Container as Holding
from contextlib import suppress
from pathlib import Path
from typing import Any

from decnet_events.envelope import MalformedEnvelopeError, envelope, envelope_head, parse_time
from decnet_events.framing import encode_frame
from decnet_node.forwarder.counting import Counting
from decnet_node.forwarder.cri import Joiner, Line
from decnet_node.forwarder.files import Container, LogName, open_log, parse_log_name
from decnet_node.forwarder.spans import ContainerSpans
from decnet_node.forwarder.state import FileKey, Recalled
from decnet_node.forwarder.suppression import Rules
from decnet_node.forwarder.tail import TailedFile
from decnet_node.forwarder.window import Batch, Lag, Waiting

log = logging.getLogger(__name__)

PIECE = 128 * 1024
"""Bytes read at a time: more than a line's limit, so that a longer record is known to be cut."""

_SCAN_PIECES = 16
_KEPT_GENERATIONS = 64
_GUESSED_LINE = 200.0


class ContainerLog:
    """Reads one container's directory. Not thread-safe."""

    def __init__(
        self,
        container: Container,
        directory: Path,
        node: str,
        max_line: int,
        rules: Rules,
        recalled: Recalled,
    ) -> None:
        self.container = container
        self.unreadable = 0
        self.waiting = Waiting()
        self._directory = directory
        self._node = node
        self._spans = ContainerSpans()
        self._joiner = Joiner(max_line, self._spans)
        self._counting = Counting(rules, self._spans, recalled.marks)
        self._positions = dict(recalled.positions)
        self._reported = dict(recalled.positions)
        self._taken = 0  # bytes read since the last batch
        self._mean_line = _GUESSED_LINE
        self._dry_at = time.monotonic()
        self._heads: dict[str, bytes] = {}
        self._files: list[TailedFile] = []
        self._scanned: tuple[str, int, int] | None = (
            None  # in an endless record: generation, start, scanned to
        )

    @property
    def done(self) -> bool:
        """Whether the directory is gone and everything that was in it has been read and reported."""
        return not (self._files or self._counting.open or self._directory.exists())

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
        if reports := self._counting.reports():
            return self._batch(reports)
        if self._counting.paused:
            return None
        batch = self._read()
        if batch is None:
            self._dry_at = time.monotonic()
        return batch

    def overdue(self) -> dict[FileKey, int]:
        """Marks for counts that are due, when there is nothing to be read.

        Until `settle` nothing more is read. See Counting.
        """
        if not self._counting.open:
            return {}
        marks = self._counting.overdue(gone=not self._files)
        return {FileKey(self.container.uid, self.container.name, gen): at for gen, at in marks.items()}

    def settle(self, *, durable: bool) -> None:
        """Go on: the marks are on the disk, or could not be written."""
        self._counting.settle(durable=durable)

    def take_suppressed(self) -> dict[str, int]:
        """Lines withheld since the last call, by reason."""
        counts = dict(self._counting.counts)
        self._counting.counts.clear()
        return counts

    def _read(self) -> Batch | None:
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
            self._advance(gen, position + end)
            return self._counting.filter(gen, self._joiner.feed(gen, position, data[:end]))
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
                self._advance(gen, at + end + 1)
                return self._counting.filter(gen, self._joiner.feed(gen, start, beginning))
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
            rest = tail.read(position, min(PIECE, size - position)) if position < size else b""
            if rest:
                self._advance(gen, size)
                lines = self._counting.filter(gen, self._joiner.feed(gen, position, rest, torn=True))
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

    def _advance(self, gen: str, position: int) -> None:
        self._taken += position - self._positions[gen]
        self._positions[gen] = self._spans[gen].position = position

    def _batch(self, lines: list[Line]) -> Batch:
        frames = []
        for gen, offset, when, stream, cut, content, _ in lines:
            head = self._heads.get(gen) or self._make_head(gen)
            frames.append(encode_frame(envelope(head, offset, when, stream, cut, content)))
        commits: dict[FileKey, int] = {}
        for gen, resume in self._spans.resume().items():
            if self._reported.get(gen) != resume:
                self._reported[gen] = resume
                commits[FileKey(self.container.uid, self.container.name, gen)] = resume
        taken, self._taken = self._taken, 0
        if lines and taken:
            self._mean_line = taken / len(lines)
        return Batch(
            b"".join(frames),
            len(frames),
            commits,
            oldest=_unix(lines[0].time) if lines else 0.0,
            size=taken,
            cut=sum(line.cut for line in lines),
            waiting=self.waiting,
        )

    def _make_head(self, gen: str) -> bytes:
        it = self.container
        self._counting.forget(_KEPT_GENERATIONS)
        for table in (self._positions, self._reported, self._spans):
            _forget_oldest(table, self._counting.held)
        if len(self._heads) > _KEPT_GENERATIONS:
            self._heads.clear()
        head = self._heads[gen] = envelope_head(self._node, it.namespace, it.pod, it.uid, it.name, gen)
        return head

    def lag(self) -> Lag:
        """How far behind the disk the listener is."""
        unread = 0
        for tail in self._files:
            size = tail.size()
            if tail.gen is not None and tail.source is not None:
                unread += max(size - self._positions.get(tail.gen, 0), 0)
        seconds = time.monotonic() - self._dry_at if unread else 0.0
        if oldest := self.waiting.oldest:
            seconds = max(time.time() - oldest, 0.0)
        return Lag(self.waiting.lines + unread / self._mean_line, self.waiting.bytes + unread, seconds)

    def close(self) -> None:
        """Close every file."""
        for tail in self._files:
            tail.close()


def _forget_oldest(table: dict[str, Any], held: Holding[str]) -> None:
    """Bound what is known of generations that are long gone; one still there would only be sent again."""
    for gen in list(table)[: max(len(table) - _KEPT_GENERATIONS, 0)]:
        if gen not in held:
            del table[gen]


def _unix(when: bytes) -> float:
    try:
        return parse_time(when.decode("ascii")).timestamp()
    except MalformedEnvelopeError:
        return 0.0
