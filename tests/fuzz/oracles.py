"""What must hold for any input. Each check raises AssertionError, or what the parser should not have raised."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from decnet_events.envelope import (
    MalformedEnvelopeError,
    format_envelope,
    parse_envelope,
    parse_time,
    printable,
)
from decnet_events.framing import FrameDecoder, FramingError, decode_ack, encode_ack, encode_frame
from decnet_events.rfc5424 import MalformedLineError, format_line, parse_line
from decnet_intel.service.lines import LineReader

SMALL_FRAME = 300
"""A limit that short inputs reach."""

_NOW = datetime(2026, 5, 4, 12, 0, 0, tzinfo=UTC)
_HEADER = 9  # bytes of a length and its space, and one more that shows it is none


def decode(stream: bytes, cuts: list[int]) -> tuple[list[bytes], bool, int]:
    """The frames of `stream` fed in pieces that end at `cuts`; whether it broke; the most bytes held."""
    decoder = FrameDecoder(SMALL_FRAME)
    frames: list[bytes] = []
    held = 0
    ends = [*sorted(cut for cut in cuts if cut < len(stream)), len(stream)]
    start = 0
    for end in ends:
        try:
            frames += decoder.feed(stream[start:end])
        except FramingError as error:
            return frames + error.frames, True, held
        held = max(held, decoder.pending)
        start = end
    return frames, False, held


def check_frames(stream: bytes, cuts: list[int]) -> None:
    """However a stream is cut into pieces, the frames are the same, bounded, and what was sent."""
    whole, broken, _ = decode(stream, [])
    pieces, also_broken, held = decode(stream, cuts)
    assert (pieces, also_broken) == (whole, broken)
    assert held <= SMALL_FRAME + _HEADER
    assert all(0 < len(frame) <= SMALL_FRAME for frame in whole)
    again = b"".join(map(encode_frame, whole))
    assert stream.startswith(again)


def check_ack(message: bytes) -> None:
    """What is read as an acknowledgement is written the same."""
    try:
        count = decode_ack(message)
    except FramingError:
        return
    assert encode_frame(message) == encode_ack(count)


def check_line(text: str) -> None:
    """A line is refused in the documented way, or reads the same after it is written again."""
    try:
        line = parse_line(text)
    except MalformedLineError:
        return
    assert line.timestamp is None or line.timestamp.tzinfo is UTC
    once = parse_line(format_line(line))
    assert parse_line(format_line(once)) == once
    assert (once.timestamp, once.severity, once.facility) == (line.timestamp, line.severity, line.facility)
    assert list(once.fields) == list(line.fields)
    if text.isprintable():
        assert (once.fields, once.message.removeprefix("\ufeff")) == (
            line.fields,
            line.message.removeprefix("\ufeff"),
        )


def check_envelope(message: bytes) -> None:
    """An envelope is refused in the documented way, or names what format_envelope writes again."""
    try:
        envelope = parse_envelope(message)
        parse_time(envelope.time)
    except MalformedEnvelopeError:
        return
    assert parse_envelope(format_envelope(envelope)) == envelope
    assert printable(envelope.line.encode()) == envelope.line.encode()
    assert 0 <= envelope.offset < 2**63


def check_row(frame: bytes, *, acknowledged: bool) -> None:
    """Any frame becomes a row of its sender's, with nothing that Postgres cannot hold."""
    row = LineReader("node-1", "connection", acknowledged=acknowledged).read(frame, _NOW)
    assert row.node == "node-1"
    for value in row:
        if isinstance(value, str):
            assert "\0" not in value
            value.encode()
    assert isinstance(json.loads(row.fields), dict)
