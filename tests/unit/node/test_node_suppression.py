"""Withheld lines: whatever dies, rows and counts together are the lines that were written."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decnet_events.registry import check_event
from decnet_events.rfc5424 import parse_line
from decnet_node.forwarder.cri import Joiner, Line
from decnet_node.forwarder.spans import ContainerSpans, Spans
from decnet_node.forwarder.suppression import DROP_SECONDS, MAX_KEYS, Rules, Suppressor

_GEN = "2025-01-01T00:00:00Z"
_RULES = Rules(frozenset({"connect", "disconnect"}), 5, frozenset({"cron"}))


def _event(event: str, source: str = "10.0.0.1", app: str = "ssh", host: str = "web01") -> str:
    return f'<134>1 2025-01-01T00:00:00.000000Z {host} {app} - {event} [relay@55555 src_ip="{source}"] text'


def _time(seconds: float) -> str:
    minutes, rest = divmod(seconds, 60)
    return f"2025-01-01T{10 + int(minutes) // 60:02d}:{int(minutes) % 60:02d}:{rest:09.6f}Z"


def _line(number: int, seconds: float, content: str) -> Line:
    return Line(_GEN, number, _time(seconds).encode(), b"stdout", False, content.encode(), True)


def _fields(line: Line) -> dict[str, str]:
    return parse_line(line.content.decode()).fields


def _is_report(line: Line) -> bool:
    return b" suppressed [" in line.content


_CONTENTS = st.sampled_from(
    [
        _event("connect"),
        _event("connect", "10.0.0.2"),
        _event("disconnect"),
        _event("command"),
        _event("anything", app="cron"),
        _event("connect", app="cron"),
        "no event at all",
    ]
)


@st.composite
def _files(draw: st.DrawFn) -> list[bytes]:
    """The records of a file: both streams, partial lines, and a clock that is set forth and back."""
    now = 100.0
    records = []
    for _ in range(draw(st.integers(1, 40))):
        now = max(now + draw(st.sampled_from([0, 0, 0.1, 1, 4, 30, 61, -1, -6])), 0)
        stream = draw(st.sampled_from(["stdout", "stdout", "stderr"]))
        tag = draw(st.sampled_from("FFFFP"))
        records.append(f"{_time(now)} {stream} {tag} {draw(_CONTENTS)}\n".encode())
    return records


@dataclass
class _Node:
    """A forwarder that dies, and a listener that keeps the first of what has the same identity."""

    records: list[bytes]
    stored: dict[int, Line] = field(default_factory=dict)
    saved: int = 0
    marks: set[int] = field(default_factory=set)
    ever_marked: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.raw = b"".join(self.records)
        self.start()

    def start(self) -> None:
        self.spans = ContainerSpans()
        self.joiner = Joiner(10_000, self.spans)
        self.suppressor = Suppressor(_RULES, self.spans[_GEN], Counter(), self.marks)
        self.position = self.spans[_GEN].position = self.saved
        self.unacknowledged: list[tuple[list[Line], int]] = []

    def read(self, count: int) -> None:
        rest = self.raw[self.position :].split(b"\n")[:-1][:count]
        data = b"".join(record + b"\n" for record in rest)
        at = self.position
        self.position = self.spans[_GEN].position = at + len(data)
        lines = self.joiner.feed(_GEN, at, data) if data else []
        self._send(self.suppressor.filter(lines))

    def flush(self) -> None:
        self._send(self.suppressor.filter(self.joiner.flush()))

    def mark(self) -> None:
        if self.suppressor.withheld and not self.suppressor.expects_mark:
            self.marks.add(self.position)
            self.ever_marked.add(self.position)

    def end_by_clock(self) -> None:
        if self.suppressor.withheld and not self.suppressor.expects_mark:
            self.mark()
            self._send(self.suppressor.end(self.position))

    def _send(self, lines: list[Line]) -> None:
        resume = self.spans[_GEN].resume()
        assert resume >= self.saved
        self.unacknowledged.append((lines, resume))

    def acknowledge(self, count: int, save: bool) -> None:
        for lines, resume in self.unacknowledged[:count]:
            for line in lines:
                self.stored.setdefault(line.offset, line)
            if save:
                self.saved = resume
                self.marks = {mark for mark in self.marks if mark > resume}
        del self.unacknowledged[:count]
        if self.unacknowledged and not save:
            self.unacknowledged.insert(0, ([], self.saved))

    def finish(self) -> None:
        self.read(len(self.records))
        self.flush()
        self.end_by_clock()
        self.acknowledge(len(self.unacknowledged), save=True)

    def rows(self) -> dict[int, bytes]:
        return {at: line.content for at, line in self.stored.items() if not _is_report(line)}

    def counted(self) -> int:
        return sum(int(_fields(line)["count"]) for line in self.stored.values() if _is_report(line))


_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("read"), st.integers(1, 12)),
        st.tuples(st.just("end"), st.just(0)),
        st.tuples(st.sampled_from(["saved", "stored"]), st.integers(1, 4)),
        st.tuples(st.sampled_from(["die", "mark and die"]), st.just(0)),
    ),
    max_size=40,
)


@settings(max_examples=300)
@given(_files(), _STEPS)
def test_rows_and_counts_are_the_lines_whatever_dies(
    records: list[bytes], steps: list[tuple[str, int]]
) -> None:
    node = _Node(records)
    for step, count in steps:
        if step == "read":
            node.read(count)
        elif step == "end":
            node.end_by_clock()
        elif step in ("saved", "stored"):
            node.acknowledge(count, save=step == "saved")
        else:
            if step == "mark and die":
                node.mark()
            node.start()
    node.finish()

    whole = Joiner(10_000, ContainerSpans())
    lines = [*whole.feed(_GEN, 0, node.raw), *whole.flush()]
    assert len(node.rows()) + node.counted() == len(lines)
    written = {line.offset: line.content for line in lines}
    assert all(written[at] == content for at, content in node.rows().items())
    assert node.stored.keys() <= written.keys()

    undisturbed = _Node(records, marks=set(node.ever_marked))
    undisturbed.finish()
    assert node.rows() == undisturbed.rows()


def _run(*lines: Line, rules: Rules = _RULES) -> tuple[list[Line], Suppressor, int]:
    """What passes, and where reading would begin again."""
    spans = Spans()
    spans.position = len(lines)
    suppressor = Suppressor(rules, spans, Counter())
    return suppressor.filter(list(lines)), suppressor, spans.resume()


def test_the_first_of_a_window_passes_and_the_others_are_reported() -> None:
    passed, _, resume = _run(
        _line(0, 100, _event("connect")),
        _line(1, 101, _event("connect", "10.0.0.2")),
        _line(2, 102, _event("connect")),
        _line(3, 103, "shell output"),
        _line(4, 104.9, _event("connect")),
        _line(5, 105, _event("connect")),
    )
    report = passed[3]
    assert [line.offset for line in passed] == [0, 1, 3, 2, 5]
    assert (report.time, report.cut) == (_time(102).encode(), False)
    event = parse_line(report.content.decode())
    assert (event.hostname, event.app_name, event.msg_id) == ("web01", "ssh", "suppressed")
    assert event.fields == {
        "reason": "window",
        "event": "connect",
        "src_ip": "10.0.0.1",
        "app": "ssh",
        "count": "2",
        "first": _time(102),
        "last": _time(104.9),
    }
    assert check_event(event.msg_id, event.fields) == []
    assert resume == 5  # the window that is open


def test_an_unwanted_program_is_reported_once_a_minute() -> None:
    passed, suppressor, resume = _run(
        *(_line(number, 100 + number, _event("tick", app="cron")) for number in range(60))
    )
    (report,) = passed
    assert report.offset == 0
    assert _fields(report)["count"] == "20"  # the minute began at 60
    assert _fields(report)["reason"] == "app_name"
    assert check_event("suppressed", _fields(report)) == []
    assert (suppressor.withheld, resume) == (40, 20)
    assert suppressor.patience == DROP_SECONDS + 1


def test_keys_are_bounded_and_lines_beyond_pass() -> None:
    flood = [_line(n, 100, _event("connect", f"10.0.{n // 2 // 250}.{n // 2 % 250}")) for n in range(4000)]
    passed, suppressor, _ = _run(*flood)
    assert len(passed) == len(flood) - MAX_KEYS
    assert suppressor.withheld == MAX_KEYS


@pytest.mark.parametrize(
    "line",
    [
        _line(1, 100, _event("connect"))._replace(whole=False),
        _line(1, 100, _event("connect"))._replace(time=b"2025-13-45T99:00:00Z"),
        _line(1, 100, _event("connect", host="h" * 65)),
        _line(1, 100, _event("connect", app="a" * 65)),
        _line(1, 100, "x " + _event("connect")),
        _line(1, 100, "<134>1 " + "x" * 60_000),
    ],
)
def test_what_is_no_ordinary_event_passes(line: Line) -> None:
    again = line._replace(offset=2)
    assert _run(line, again)[0] == [line, again]


def test_without_rules_nothing_is_looked_at() -> None:
    lines = [_line(n, 100, _event("connect")) for n in range(3)]
    assert _run(*lines, rules=Rules(_RULES.events, 0, frozenset()))[0] == lines
    assert Rules(frozenset(), 5, frozenset()).pattern() is None
    assert len(_run(*lines, rules=Rules(frozenset(), 5, frozenset({"ssh"})))[0]) == 0
