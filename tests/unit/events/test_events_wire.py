"""Frames, lines and envelopes for inputs of any shape; what must hold is in fuzz.oracles."""

from __future__ import annotations

import string
import time
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from decnet_events.envelope import MalformedEnvelopeError, parse_envelope
from decnet_events.framing import FrameDecoder, FramingError, encode_frame
from decnet_events.rfc5424 import Line, MalformedLineError, format_line, parse_line
from fuzz import oracles

_PRINTABLE = "".join(chr(c) for c in range(0x21, 0x7F))
_NAME = st.text("".join(c for c in _PRINTABLE if c not in '="]'), min_size=1, max_size=32)
_TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=60)
_LINES = st.builds(
    Line,
    hostname=st.text(_PRINTABLE, min_size=1, max_size=255),
    app_name=st.text(_PRINTABLE, min_size=1, max_size=48),
    msg_id=st.text(_PRINTABLE, min_size=1, max_size=32),
    fields=st.dictionaries(_NAME, _TEXT, max_size=8),
    message=_TEXT.filter(lambda text: not text.startswith("\ufeff")),
    timestamp=st.none() | st.datetimes(timezones=st.just(UTC)),
    severity=st.integers(0, 7),
    facility=st.integers(0, 23),
    proc_id=st.text(_PRINTABLE, min_size=1, max_size=128),
)
_LENGTHS = st.integers(-1, 400).map(lambda n: f"{n} ".encode()) | st.sampled_from([b"01 ", b" ", b"9" * 9])
_STREAMS = st.lists(
    st.binary(min_size=1, max_size=200).map(encode_frame) | _LENGTHS | st.binary(max_size=20), max_size=12
).map(b"".join)
_ALMOST_LINES = st.lists(
    st.sampled_from(
        ["<134>", "1 ", "- ", "2026-05-04T12:00:00Z ", "h ", "[", "relay@55555", "]", ' a="', '"', "\\", "=", " "]
    ) | st.text(string.printable, max_size=4),
    max_size=30,
).map("".join)  # fmt: skip


@given(_STREAMS, st.lists(st.integers(0, 2000), max_size=30))
@example(b"12 abcdefghijkl1 x", [0, 1, 2, 3, 3, 4])
@example(b"301 " + b"x" * 301, [1, 2, 3, 4])
def test_any_split_of_a_stream_gives_the_same_frames(stream: bytes, cuts: list[int]) -> None:
    oracles.check_frames(stream, cuts)


@given(_STREAMS)
def test_byte_by_byte_is_a_split_too(stream: bytes) -> None:
    oracles.check_frames(stream, list(range(len(stream))))


@given(_LINES)
def test_a_line_is_read_as_it_was_written(line: Line) -> None:
    assert parse_line(format_line(line)) == line


@given(_LINES, st.data())
def test_a_damaged_line_is_refused_or_means_something(line: Line, data: st.DataObject) -> None:
    text = format_line(line)
    at = data.draw(st.integers(0, len(text)))
    inserted = data.draw(st.text(max_size=5))
    oracles.check_line(text[:at] + inserted + text[at + data.draw(st.integers(0, 5)) :])


@given(st.text(max_size=200) | _ALMOST_LINES)
@example("<13>1 0001-01-01T00:00:00Z h a - m - x")
@example("<13>1 0001-01-01T00:00:00+00:01 h a - m - x")
@example("<13>1 2026-05-04T12:00:00Z\u0660 h a - m - x")
def test_any_text_is_a_line_or_refused(text: str) -> None:
    oracles.check_line(text)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_row(frame: bytes) -> None:
    oracles.check_ack(frame)
    oracles.check_envelope(frame)
    for acknowledged in (True, False):
        oracles.check_row(frame, acknowledged=acknowledged)


@pytest.mark.parametrize(
    "text",
    [
        "<134>1 - höst a - m - x",
        "<134>1 - h a - m\x1b[2J - x",
        "<134>1 - h a - m\u00a0 - x",
        '<134>1 - h a - m [relay@55555 n\x00="x"]',
        '<134>1 - h a - m [relay@55555 nä="x"]',
        "<\u0661>1 - h a - m -",
    ],
)
def test_names_are_printable_ascii(text: str) -> None:
    with pytest.raises(MalformedLineError):
        parse_line(text)


def _lines(text: str) -> None:
    try:
        parse_line(text)
    except MalformedLineError:
        return


def _envelopes(text: str) -> None:
    try:
        parse_envelope(text.encode())
    except MalformedEnvelopeError:
        return


def _frames(text: str) -> None:
    """A byte at a time, in one frame as long as the text."""
    decoder = FrameDecoder(10_000_000)
    try:
        for byte in encode_frame(text.encode()):
            decoder.feed(bytes((byte,)))
    except FramingError:
        return


_HEAD = "<134>1 - h a - m "
_LINE = "<134>1 - n forwarder - line [line@55555 "
_GROWING: dict[str, tuple[Callable[[str], None], str, str]] = {
    "quote not closed": (_lines, f'{_HEAD}[relay@55555 a="', "\\\\"),
    "escaped quotes": (_lines, f'{_HEAD}[relay@55555 a="', '\\"'),
    "element not closed": (_lines, f"{_HEAD}[relay@55555", ' a="b"'),
    "many elements": (_lines, _HEAD, "[a@1]"),
    "brackets": (_lines, _HEAD, "["),
    "blanks": (_lines, "<134>1", " "),
    "spaces and dashes": (_lines, "<134>1 ", "- "),
    "digits": (_lines, "<", "1"),
    "envelope without end": (_envelopes, _LINE, 'namespace="a" '),
    "envelope with a long name": (_envelopes, f'{_LINE}namespace="', "a"),
    "envelope in an envelope": (_envelopes, _LINE, _LINE),
    "bytes of a frame": (_frames, "", "x"),
}


@pytest.mark.parametrize(("parse", "start", "unit"), _GROWING.values(), ids=_GROWING)
def test_time_grows_with_the_length(parse: Callable[[str], None], start: str, unit: str) -> None:
    """Sixteen times the length takes about sixteen times as long; a square would take 256 times."""

    def seconds(size: int) -> float:
        text = start + unit * (size // len(unit))
        best = float("inf")
        for _ in range(3):
            began = time.process_time()
            parse(text)
            best = min(best, time.process_time() - began)
        return best

    assert seconds(320_000) < max(80 * seconds(20_000), 0.02)


def test_years_before_1000_have_four_digits() -> None:
    line = Line("h", "a", "m", {}, timestamp=datetime(987, 6, 5, tzinfo=UTC))
    assert " 0987-06-05T00:00:00.000000Z " in format_line(line)
