"""Which lines are withheld and only counted, and the lines that report how many.

Two rules. Of the lines of one event id and one source in one window of time only the first passes; lines
of certain programs are withheld altogether. The decision is a pure function of what is in the file, so that
reading it again decides the same, however the reading is split and wherever it was broken off:

* Decisions are made file by file. A window is a *cell* of a fixed grid of the times that the runtime
  wrote, and a cell ends at the first line that is not in it, earlier or later.
* Only lines that are one record of the file and not cut take part. A line joined of several
  records may end in another file, whose order relative to this one is not fixed.
* A file that is quiet ends no cell. Ending one by the clock is a decision that the file does not
  show, so it is written down as a *mark* (a byte offset) before the report is sent.
* Reading begins again only where no cell is open (see Spans): a cell is seen whole or not at all.

A report carries the identity of the first line it counts, so it is stored once. Pure: no I/O, no clock.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from decnet_events.envelope import MalformedEnvelopeError, parse_time
from decnet_events.rfc5424 import Line as EventLine
from decnet_events.rfc5424 import format_line
from decnet_node.forwarder.cri import Line
from decnet_node.forwarder.spans import Spans

MAX_KEYS = 16
"""Keys of one cell; lines of further ones pass. Bounds memory to some 7 KB a file with an open cell."""

DROP_SECONDS = 60
"""How often it is reported that a program's lines are withheld."""

GRACE_SECONDS = 1.0
"""A quiet file's cell is ended so long after its time is over: the runtime may be that late."""

WINDOW = "window"
APP_NAME = "app_name"

_ALWAYS = (b"", b"\xff")
_MAX_NAME = 64  # of a host or a program; longer ones pass
_SOURCE = re.compile(rb'src_ip="([0-9A-Fa-f:.]{2,45})"')


@dataclass(frozen=True)
class Rules:
    """What is withheld: `events` beyond the first in `seconds` (0: none), and everything of `apps`."""

    events: frozenset[str] = frozenset()
    seconds: int = 0
    apps: frozenset[str] = frozenset()

    def pattern(self) -> re.Pattern[bytes] | None:
        """Matches the beginning of an RFC 5424 line that a rule may apply to; None when none does.

        Groups: host, program when it is one of `apps`, program otherwise, event id.
        """
        events = self.events if self.seconds else ()
        if not self.apps and not events:
            return None
        return re.compile(
            rb"<\d{1,3}>1 [^ ]+ ([^ ]+) (?:(%b) |([^ ]+) [^ ]+ (%b) )" % (_any_of(self.apps), _any_of(events))
        )


def _any_of(words: Iterable[str]) -> bytes:
    return b"|".join(re.escape(word.encode()) for word in sorted(words)) or rb"(?!)"


@dataclass(slots=True)
class _Withheld:
    """What is known of the withheld lines of one key; there may be very many of these."""

    offset: int
    time: bytes
    stream: bytes
    host: bytes
    app: bytes
    last: bytes
    count: int = 0

    def report(self, gen: str, reason: str, event: str, source: str) -> Line:
        fields = {"reason": reason}
        if event:
            fields["event"] = event
        if source:
            fields["src_ip"] = source
        fields |= {
            "app": self.app.decode(),
            "count": str(self.count),
            "first": self.time.decode(),
            "last": self.last.decode(),
        }
        event_line = EventLine(self.host.decode(), self.app.decode(), "suppressed", fields)
        content = format_line(event_line._replace(timestamp=_when(self.time)))
        return Line(gen, self.offset, self.time, self.stream, False, content.encode(), True)


class Suppressor:
    """Decides for one file. Lines are to come in the order of the file, after a restart from where `spans` says.

    `marks` are the offsets at which cells were ended by the clock before. `counts` gets how many
    lines were withheld, by reason.
    """

    def __init__(self, rules: Rules, spans: Spans, counts: Counter[str], marks: Iterable[int] = ()) -> None:
        self._rules = rules
        self._counts = counts
        self._match = None if (pattern := rules.pattern()) is None else pattern.match
        self._marks = sorted(marks)
        self._keys: dict[bytes, _Withheld | None] = {}  # event id, space, source
        self._apps: dict[bytes, _Withheld] = {}
        self._cell = self._drop_cell = _ALWAYS  # [from, to) as the runtime writes times
        self._low, self._high = _ALWAYS
        self._spans = spans
        self._in_cell = False
        self._gen = ""
        self._host = self._app = self._stream = b""
        self.withheld = 0
        """Lines withheld and not reported yet."""
        self.ended = 0
        """How often a cell has ended."""

    @property
    def patience(self) -> float:
        """Seconds after which the withheld lines of a quiet file are to be reported."""
        soon = any(withheld is not None for withheld in self._keys.values())
        return (self._rules.seconds if soon else DROP_SECONDS) + GRACE_SECONDS

    @property
    def expects_mark(self) -> bool:
        """Whether a mark is still ahead: until it is reached the clock ends nothing."""
        return any(mark > self._spans.position for mark in self._marks)

    def filter(self, lines: list[Line]) -> list[Line]:
        """Those of `lines` that pass, and reports where cells end between them."""
        match = self._match
        if match is None:
            return lines
        passed: list[Line] = []
        for line in lines:
            if line.whole:
                if self._marks and line.offset >= self._marks[0]:
                    passed += self.end(self._marks[0])
                    self._marks = [mark for mark in self._marks if mark > line.offset]
                if self._in_cell and not self._low <= line.time < self._high:
                    passed += self._leave_cells(line.offset, line.time)
                found = match(line.content)
                if found is not None and self._withholds(line, found):
                    continue
            passed.append(line)
        return passed

    def end(self, offset: int) -> list[Line]:
        """End the open cells before `offset`, as a mark there says; the reports."""
        reports = [*self._end_window(), *self._end_drops()]
        self._ended(offset)
        return reports

    def _leave_cells(self, offset: int, time: bytes) -> list[Line]:
        if self._apps and not self._drop_cell[0] <= time < self._drop_cell[1]:
            return self.end(offset)
        reports = [*self._end_window()]
        self._ended(offset)
        return reports

    def _withholds(self, line: Line, found: re.Match[bytes]) -> bool:
        host, dropped, app, event = found.groups()
        if len(host) > _MAX_NAME or len(app or b"") > _MAX_NAME:
            return False
        if dropped is not None:
            return self._drop(line, host, dropped)
        source = _SOURCE.search(line.content, found.end())
        key = b"%b %b" % (event, source[1] if source else b"")
        if not self._keys:
            if (cell := _cell(line.time, self._rules.seconds)) is None:
                return False
            self._cell = cell
            self._begin(line.offset)
        if key not in self._keys:
            if len(self._keys) < MAX_KEYS:
                self._keys[key] = None
            return False
        if (withheld := self._keys[key]) is None:
            withheld = self._keys[key] = self._first(line, host, app)
        self._count(withheld, line.time, WINDOW)
        return True

    def _drop(self, line: Line, host: bytes, app: bytes) -> bool:
        if not self._apps:
            if (cell := _cell(line.time, DROP_SECONDS)) is None:
                return False
            self._drop_cell = cell
            self._begin(line.offset)
        if (withheld := self._apps.get(app)) is None:
            withheld = self._apps[app] = self._first(line, host, app)
        self._count(withheld, line.time, APP_NAME)
        return True

    def _first(self, line: Line, host: bytes, app: bytes) -> _Withheld:
        # Nearly always the same, so one copy does.
        self._gen = line.gen
        self._host = self._host if self._host == host else host
        self._app = self._app if self._app == app else app
        self._stream = self._stream if self._stream == line.stream else line.stream
        return _Withheld(line.offset, line.time, self._stream, self._host, self._app, line.time)

    def _begin(self, offset: int) -> None:
        self._in_cell = True
        self._spans.open(Suppressor, offset)
        self._bound()

    def _bound(self) -> None:
        self._low = max(self._cell[0], self._drop_cell[0])
        self._high = min(self._cell[1], self._drop_cell[1])

    def _count(self, withheld: _Withheld, time: bytes, reason: str) -> None:
        withheld.count += 1
        withheld.last = time
        self._counts[reason] += 1
        self.withheld += 1

    def _end_window(self) -> Iterator[Line]:
        keys, self._keys, self._cell = self._keys, {}, _ALWAYS
        for key, withheld in keys.items():
            if withheld is not None:
                event, _, source = key.decode().partition(" ")
                self.withheld -= withheld.count
                yield withheld.report(self._gen, WINDOW, event, source)

    def _end_drops(self) -> Iterator[Line]:
        apps, self._apps, self._drop_cell = self._apps, {}, _ALWAYS
        for withheld in apps.values():
            self.withheld -= withheld.count
            yield withheld.report(self._gen, APP_NAME, "", "")

    def _ended(self, offset: int) -> None:
        """Cells ended before `offset`; when all did, reading may begin again there."""
        self._bound()
        self.ended += 1
        if self._in_cell and not self._keys and not self._apps:
            self._in_cell = False
            self._spans.close(Suppressor, offset)


def _cell(time: bytes, seconds: int) -> tuple[bytes, bytes] | None:
    """The cell of `seconds` that `time` lies in, as texts that times compare with; None for no time."""
    try:
        when = datetime.fromisoformat(time[:19].decode("ascii")).replace(tzinfo=UTC)
        start = when - timedelta(seconds=int(when.timestamp()) % seconds)
        end = start + timedelta(seconds=seconds)
    except (ValueError, OverflowError):
        return None
    return f"{start:%Y-%m-%dT%H:%M:%S}".encode(), f"{end:%Y-%m-%dT%H:%M:%S}".encode()


def _when(time: bytes) -> datetime | None:
    try:
        return parse_time(time.decode("ascii"))
    except MalformedEnvelopeError:
        return None
