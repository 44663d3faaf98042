"""The quick way and the thorough way from a frame to a row are one."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decnet_events.envelope import Envelope, cut_line, format_envelope, printable
from decnet_events.rfc5424 import Line, format_line, format_timestamp
from decnet_intel.repository.entries import Entry, entry_of, line_values
from decnet_intel.service.fast_lines import FastReader
from decnet_intel.service.lines import LineReader

NOW = dt.datetime(2026, 5, 4, 12, 0, 0, tzinfo=dt.UTC)

_times = st.one_of(
    st.integers(-90 * 60 * 10**6, 90 * 60 * 10**6).map(
        lambda apart: format_timestamp(NOW + dt.timedelta(microseconds=apart))
    ),
    st.sampled_from(
        [
            "-", "2026-05-04T11:59:59.123456789Z", "2026-05-04T12:00:00Z", "2026-05-04T13:59:59.5+02:00",
            "2026-05-04T23:59:60.000000Z", "2026-13-04T12:00:00.000000Z", "2026-02-30T12:00:00.000000Z",
            "0001-01-01T00:00:00.000000+23:59", "0001-01-01T00:00:00.000000Z", "9999-12-31T23:59:59.999999Z",
            "2026-05-05T00:29:59.999999+00:30", "2026-05-04T12:00:00.000000+25:00", "yesterday",
        ]
    ),
)  # fmt: skip
_odd = st.text(st.sampled_from('ab"\\]=[ \t\r\n\0\x01\x7f\ufeff\u00a0é\U0001f600-N.'), max_size=12)
_values = st.one_of(_odd, st.sampled_from(["10.0.0.1", "::ffff:1.2.3.4", "fe80::1%x", "0", "65535", "65536"]))
_names = st.sampled_from(
    ["src_ip", "src_port", "secret_b64", "command", "a\\b", "x" * 32, "x" * 33, "é", "\x01"]
)
_tokens = st.one_of(st.text("ab\\-.[]é\x01", min_size=1, max_size=6), st.just("a" * 300))


@st.composite
def _lines(draw: st.DrawFn) -> str:
    """Lines as services write them, and lines that nearly are."""
    params = draw(st.lists(st.tuples(_names, _values), max_size=4))
    escape = draw(st.booleans())
    text = "".join(
        f' {name}="{value.translate({34: chr(92) + chr(34), 92: chr(92) * 2, 93: chr(92) + "]"}) if escape else value}"'
        for name, value in params
    )
    element = draw(
        st.sampled_from(["-", f"[relay@55555{text}]", f"[other{text}]", f"[a][relay@55555{text}]", ""])
    )
    head = (
        f"<{draw(st.sampled_from(['134', '0', '191', '192', '007', '1234']))}>1 {draw(_times)} {draw(_tokens)}"
        f" {draw(_tokens)} - {draw(_tokens)} "
    )
    return head + element + draw(st.sampled_from(["", " ", "  ", "x"])) + draw(_odd)


@st.composite
def _frames(draw: st.DrawFn) -> bytes:
    it = Envelope(
        "decnet", "web", draw(st.sampled_from(["uid", "other"])), "ssh", "2026-05-04T00:00:00Z",
        draw(st.integers(0, 10**18 - 1)), draw(_times.filter(lambda time: time != "-")), "stdout", draw(st.booleans()),
        draw(st.sampled_from(["node-1", "node-1", "node-2"])), "LINE",
    )  # fmt: skip
    line, _ = cut_line(printable(draw(_lines()).encode()))
    if draw(st.booleans()):
        line = draw(_lines()).encode()
    frame = format_envelope(it).replace(b"LINE", line)
    if draw(st.integers(0, 9)) == 0:
        at = draw(st.integers(0, len(frame)))
        frame = frame[:at] + draw(st.binary(max_size=3)) + frame[at + draw(st.integers(0, 2)) :]
    return frame


def plain(entry: Entry) -> tuple[Any, ...]:
    """What is in `entry`, to be compared; JSON is compared by what it says."""
    values = dict(line_values(entry))
    values["fields"] = orjson.loads(values["fields"] or "")
    return (dataclasses.astuple(entry[0]), *entry[1:-1], values)


def usual(line: str = "x") -> bytes:
    """An envelope of the file of `_frames`, from which its head is known."""
    return format_envelope(
        Envelope("decnet", "web", "uid", "ssh", "2026-05-04T00:00:00Z", 5, "2026-05-04T11:59:59.123456789Z",
                 "stdout", False, "node-1", line)
    )  # fmt: skip


@settings(max_examples=1500, deadline=None)
@given(st.lists(_frames(), min_size=1, max_size=3))
def test_what_is_taken_quickly_is_what_the_thorough_reader_says(frames: list[bytes]) -> None:
    fast = FastReader("node-1", "c", acknowledged=True)
    fast.read([usual(), usual().replace(b'uid="uid"', b'uid="other"')], NOW)
    for frame in frames:
        quick = fast.quick(frame)
        if quick is not None:
            slow = LineReader("node-1", "c", acknowledged=True)
            assert plain(quick) == plain(entry_of(slow.read(frame, NOW)))
            assert slow.forged == 0
    read = fast.read(frames, NOW)
    slow = LineReader("node-1", "c", acknowledged=True)
    for frame, entry in zip(frames, read, strict=True):
        thorough = entry_of(slow.read(frame, NOW))
        if thorough[0].file.pod_uid:  # others are numbered
            assert plain(entry) == plain(thorough)
    assert fast.forged == slow.forged


@pytest.mark.parametrize(
    "line",
    [
        Line("web01", "ssh", "connect", {"src_ip": "10.0.0.1", "src_port": "22"}, "text", NOW),
        Line("web01", "ssh", "command", {"command": 'echo "[a]" \\ \t'}, 'ran "x" \\ ü', NOW),
        Line("web01", "ssh", "credential", {"secret_b64": "eA=="}, "", NOW),
        Line("web01", "ssh", "disconnect", {}, "", NOW),
    ],
)
def test_the_lines_of_our_services_are_taken_quickly(line: Line) -> None:
    fast = FastReader("node-1", "c", acknowledged=True)
    frame = usual(format_line(line))
    assert fast.quick(frame) is None  # the head is not known yet
    [first] = fast.read([frame], NOW)
    quick = fast.quick(frame)
    assert quick is not None
    assert plain(quick) == plain(first)
    assert quick[0] is first[0]


def test_what_is_remembered_is_bounded() -> None:
    fast = FastReader("node-1", "c", acknowledged=True)
    for n in range(10_000):
        minute = NOW + dt.timedelta(minutes=n)
        frame = usual(format_line(Line("h", "a", "connect", {}, "", minute)))
        frame = frame.replace(b'uid="uid"', b'uid="%d"' % n).replace(
            b"2026-05-04T11:59:59.123456789Z", minute.isoformat().encode()
        )
        fast.read([frame, frame], NOW)
    assert fast.remembered < 10_000
