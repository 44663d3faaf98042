"""The quick way and the thorough way from a frame to a row are one."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decnet_events.envelope import Envelope, cut_line, format_envelope, printable
from decnet_events.rfc5424 import Line, format_line, format_timestamp
from decnet_intel.repository.entries import Entry, entry_of, line_values
from decnet_intel.service.fast_lines import FastReader
from decnet_intel.service.lines import LineReader, dumps

NOW = dt.datetime(2026, 5, 4, 12, 0, 0, tzinfo=dt.UTC)

_near_times = st.integers(-90 * 60 * 10**6, 90 * 60 * 10**6).map(
    lambda apart: format_timestamp(NOW + dt.timedelta(microseconds=apart))
)
_odd_times = st.sampled_from(
    [
        "-", "2026-05-04T11:59:59.123456789Z", "2026-05-04T12:00:00Z", "2026-05-04T13:59:59.5+02:00",
        "2026-05-04T23:59:60.000000Z", "2026-13-04T12:00:00.000000Z", "2026-02-30T12:00:00.000000Z",
        "0001-01-01T00:00:00.000000+23:59", "0001-01-01T00:00:00.000000Z", "9999-12-31T23:59:59.999999Z",
        "2026-05-05T00:29:59.999999+00:30", "2026-05-04T12:00:00.000000+25:00", "yesterday",
    ]
)  # fmt: skip
_odd = st.text(st.sampled_from('ab"\\]=[ \t\r\n\0\x01\x7f\ufeff\u00a0é\U0001f600-N.'), max_size=12)
_values = st.sampled_from(["10.0.0.1", "::ffff:1.2.3.4", "fe80::1%x", "0", "65535", "65536", "022", "x"])
_names = st.sampled_from(["src_ip", "src_port", "secret_b64", "command", "a\\b", "x" * 32])
_odd_names = st.sampled_from(["", "x" * 33, "é", "\x01", "a=b", 'a"b', "a]b", "a b", "a\x7f"])
_tokens = st.text("ab-.[]", min_size=1, max_size=6)
_odd_tokens = st.sampled_from(["", "a\\b", "é", "\x01", "a" * 300, "a" * 49, "a" * 33, "a b", "\x7f"])

PARTS = 12
_QUOTED = str.maketrans({'"': '\\"', "\\": "\\\\", "]": "\\]"})


@st.composite
def _lines(draw: st.DrawFn) -> str:
    """Lines as services write them, and lines of which one or two parts are not."""
    broken = draw(st.one_of(st.just(set()), st.sets(st.integers(0, PARTS - 1), max_size=2)))

    def part(number: int, usual: st.SearchStrategy[str], odd: st.SearchStrategy[str]) -> str:
        return draw(odd if number in broken else usual)

    params = "".join(
        f' {part(0, _names, _odd_names)}="{part(1, st.one_of(_values, _odd.map(_quoted)), _odd)}"'
        for _ in range(draw(st.integers(0, 4)))
    )
    ours = st.just(f"[relay@55555{params}]") if params else st.sampled_from(["-", "[relay@55555]"])
    others = st.sampled_from(
        [
            f"[other{params}]",
            f"[a][relay@55555{params}]",
            f"[relay@55555{params}][b]",
            f"[relay@5555{params}]",
            "",
        ]
    )
    priority = part(2, st.sampled_from(["134", "0", "191"]), st.sampled_from(["192", "007", "1234", ""]))
    return (
        f"<{priority}>{part(3, st.just('1'), st.just('2'))} {part(4, _near_times, _odd_times)}"
        f" {part(5, _tokens, _odd_tokens)} {part(6, _tokens, _odd_tokens)} {part(7, st.just('-'), _odd_tokens)}"
        f" {part(8, _tokens, _odd_tokens)} {part(9, ours, others)}"
        f"{part(10, st.sampled_from(['', ' ', ' text', '  ']), _odd)}{part(11, st.just(''), _odd)}"
    )


def _quoted(text: str) -> str:
    return text.translate(_QUOTED)


@st.composite
def _frames(draw: st.DrawFn) -> bytes:
    it = Envelope(
        "decnet", "web", draw(st.sampled_from(["uid", "uid", "new"])), "ssh", "2026-05-04T00:00:00Z",
        draw(st.integers(0, 10**18 - 1)), draw(st.one_of(_near_times, _near_times, _odd_times)), "stdout",
        draw(st.booleans()), draw(st.sampled_from(["node-1", "node-1", "node-1", "node-2"])), "LINE",
    )  # fmt: skip
    line = draw(_lines()).encode()
    if draw(st.integers(0, 5)):
        line, _ = cut_line(printable(line))
    frame = format_envelope(it).replace(b"LINE", line)
    if not draw(st.integers(0, 9)):
        at = draw(st.integers(0, len(frame)))
        frame = frame[:at] + draw(st.binary(max_size=3)) + frame[at + draw(st.integers(0, 2)) :]
    return frame


def plain(entry: Entry) -> tuple[Any, ...]:
    """What is in `entry`, to be compared; JSON is compared by what it says."""
    values = dict(line_values(entry))
    values["fields"] = json.loads(values["fields"] or "")
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


@given(st.dictionaries(st.text(max_size=5), st.text(st.characters(exclude_categories=["Cs"]), max_size=20)))
def test_fields_are_json(fields: dict[str, str]) -> None:
    assert dumps(fields) == json.dumps(fields, ensure_ascii=False, separators=(",", ":"))


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
