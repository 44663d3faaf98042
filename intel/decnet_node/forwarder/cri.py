"""The container runtime's log format: records, and the lines they make.

A record is `<RFC 3339 time> stdout|stderr F|P <content>`. P says that the line goes on in the next
record of the same stream, F that it ends here. Pure: bytes in, lines out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NamedTuple

from decnet_events.envelope import cut_line, printable
from decnet_node.forwarder.spans import ContainerSpans

_TIME = rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)"
_RECORD = re.compile(rb"(" + _TIME + rb") (stdout|stderr) ([FP])(?::[^ ]*)?(?: (.*))?", re.DOTALL)
_LEADING_TIME = re.compile(rb"(" + _TIME + rb") ")
_ANY_TIME = re.compile(rb"(" + _TIME + rb") std(?:out|err) [FP]")
_NO_TIME = b"1970-01-01T00:00:00Z"

HEAD_BYTES = 64
"""So many bytes of a file decide its generation."""


def generation(head: bytes) -> str | None:
    """The generation of a file that begins with `head` (HEAD_BYTES of it, or all there is).

    None when too little has been written to tell. A file that does not begin with a record is known by
    its first bytes.
    """
    found = _LEADING_TIME.match(head)
    if found is not None:
        return found[1].decode("ascii")
    if len(head) < HEAD_BYTES and b"\n" not in head:
        return None
    return "raw-" + head.split(b"\n", 1)[0][:24].hex()


class Line(NamedTuple):
    """A line whose last record has been read. `gen` and `offset` are those of its first record.

    `whole` says that it is exactly one record and nothing of it was cut.
    """

    gen: str
    offset: int
    time: bytes
    stream: bytes
    cut: bool
    content: bytes
    whole: bool = False


@dataclass(slots=True)
class _Unfinished:
    """The records of a line so far, and from which offset on they are in which files."""

    gen: str
    offset: int
    time: bytes
    files: dict[str, int]
    pieces: list[bytes] = field(default_factory=list)
    size: int = 0
    cut: bool = False


class Joiner:
    """Makes lines of one container's records, which come in order but from several files.

    At most `max_line` bytes are held for each of the two streams. `spans` gets, by file, what belongs
    to one line; its position has to be behind the data that is fed.
    """

    def __init__(self, max_line: int, spans: ContainerSpans) -> None:
        self._max_line = max_line
        self._spans = spans
        self._unfinished: dict[bytes, _Unfinished] = {}

    def feed(self, gen: str, offset: int, data: bytes, *, torn: bool = False) -> list[Line]:
        """The lines that `data`, whole records of file `gen` from byte `offset` on, completes.

        `torn` says that the last record lacks its end and never will have one.
        """
        clean = _is_clean(data)
        lines: list[Line] = []
        records = data.split(b"\n")
        if not records[-1]:
            records.pop()
        last = len(records) - 1
        match = _RECORD.fullmatch
        limit = self._max_line
        unfinished = self._unfinished
        for index, record in enumerate(records):
            found = match(record)
            if found is None:
                lines.append(self._garbage(gen, offset, record))
            else:
                time, stream, tag, content = found.groups(b"")
                if torn and index == last:
                    lines.append(self._finish(gen, offset, time, stream, content, cut=True))
                elif tag == b"P":
                    self._hold(gen, offset, time, stream, content)
                elif stream in unfinished or len(content) > limit or not clean:
                    lines.append(self._finish(gen, offset, time, stream, content, cut=False))
                else:  # the ordinary line, kept short: this is where the time goes
                    lines.append(Line(gen, offset, time, stream, False, content, True))
            offset += len(record) + 1
        return lines

    def flush(self) -> list[Line]:
        """The unfinished lines as they are: the container has ended, nothing will follow."""
        streams = sorted(self._unfinished, key=lambda stream: self._unfinished[stream].time)
        return [self._take(stream) for stream in streams]

    def _hold(self, gen: str, offset: int, time: bytes, stream: bytes, content: bytes) -> None:
        line = self._unfinished.get(stream)
        if line is None:
            line = self._unfinished[stream] = _Unfinished(gen, offset, time, {})
        if gen not in line.files:
            line.files[gen] = offset
            self._spans[gen].open(stream, offset)
        # One byte more than the limit is kept, so that the cut shows and falls between characters.
        room = self._max_line + 1 - line.size
        if len(content) > room:
            line.cut = True
            content = content[:room]
        if content:
            line.pieces.append(content)
            line.size += len(content)

    def _finish(
        self, gen: str, offset: int, time: bytes, stream: bytes, content: bytes, *, cut: bool
    ) -> Line:
        if stream in self._unfinished:
            self._hold(gen, offset, time, stream, content)
            self._unfinished[stream].cut |= cut
            return self._take(stream)
        content, over = cut_line(content, self._max_line)
        cut |= over
        return Line(gen, offset, time, stream, cut, printable(content), not cut)

    def _take(self, stream: bytes) -> Line:
        line = self._unfinished.pop(stream)
        for gen in line.files:
            self._spans[gen].close(stream)
        if len(line.files) > 1:
            self._spans.across(line.files)
        content, cut = cut_line(b"".join(line.pieces), self._max_line)
        return Line(line.gen, line.offset, line.time, stream, cut or line.cut, printable(content))

    def _garbage(self, gen: str, offset: int, record: bytes) -> Line:
        """Not a record (a disk after a power cut): kept as it is, at the time its file began.

        Where that is not known, at a time found in it, which may follow a block of NULs. Never at the
        present time: a line that is read again has to have the same one.
        """
        content, cut = cut_line(record, self._max_line)
        time = gen.encode()
        if gen.startswith("raw-"):
            found = _ANY_TIME.search(record)
            time = found[1] if found is not None else _NO_TIME
        return Line(gen, offset, time, b"stdout", cut, printable(content))


def _is_clean(data: bytes) -> bool:
    """Whether nothing in `data` needs escaping; one look at the whole instead of one a line."""
    if b"\0" in data:
        return False
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
