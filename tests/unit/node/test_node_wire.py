"""Octet counting, acknowledgements and the envelope."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decnet_events.envelope import (
    Envelope,
    MalformedEnvelopeError,
    cut_line,
    format_envelope,
    parse_envelope,
    parse_time,
    printable,
)
from decnet_events.framing import FrameDecoder, FramingError, decode_ack, encode_ack, encode_frame

_NAMES = st.from_regex(r"[a-z0-9]([a-z0-9.-]{0,40}[a-z0-9])?", fullmatch=True)
_TIMES = st.from_regex(
    r"20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
    r"(\.[0-9]{1,9})?(Z|[+-](0[0-9]|1[0-3]):[0-5][0-9])",
    fullmatch=True,
)
_LINES = st.binary(max_size=400).map(lambda raw: printable(raw).decode())
_ENVELOPES = st.builds(
    Envelope,
    namespace=_NAMES,
    pod=_NAMES,
    uid=_NAMES,
    container=_NAMES,
    gen=_TIMES | st.just("raw-00ff"),
    offset=st.integers(0, 2**50),
    time=_TIMES,
    stream=st.sampled_from(["stdout", "stderr"]),
    cut=st.booleans(),
    node=_NAMES,
    line=_LINES,
)


@given(st.lists(st.binary(max_size=300), max_size=20), st.data())
def test_frames_survive_any_cutting(messages: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(encode_frame(message) for message in messages if message)
    decoder = FrameDecoder()
    got: list[bytes] = []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        got += decoder.feed(stream[:size])
        stream = stream[size:]
    assert got == [message for message in messages if message]
    assert decoder.pending == 0


@given(st.binary(max_size=2000), st.integers(1, 50))
def test_garbage_is_frames_or_an_error_and_bounded(garbage: bytes, size: int) -> None:
    decoder = FrameDecoder(max_frame=100)
    try:
        for at in range(0, len(garbage), size):
            assert all(len(frame) <= 100 for frame in decoder.feed(garbage[at : at + size]))
            assert decoder.pending <= 100 + 8
    except FramingError:
        with pytest.raises(FramingError):
            decoder.feed(b"1 a")


@pytest.mark.parametrize(
    "stream",
    [b"0 ", b"01 a", b"-1 a", b"+1 a", b" a", b"99999999", b"301 ", b"a", b"\x00", "\u0661 a".encode()],
)
def test_bad_lengths_are_refused_at_once(stream: bytes) -> None:
    with pytest.raises(FramingError):
        FrameDecoder(max_frame=300).feed(stream)


def test_frames_before_a_break_come_with_the_error() -> None:
    with pytest.raises(FramingError) as caught:
        FrameDecoder().feed(b"2 ab3 abcx")
    assert caught.value.frames == [b"ab", b"abc"]


@given(st.integers(0, 2**62))
def test_acknowledgements_round_trip(count: int) -> None:
    (message,) = FrameDecoder().feed(encode_ack(count))
    assert decode_ack(message) == count


@pytest.mark.parametrize(
    "message", [b"", b"ACK", b"ACK ", b"ACK -1", b"ACK 01", b"ack 1", b"ACK 1 ", b"ACK " + b"9" * 30]
)
def test_malformed_acknowledgements_are_refused(message: bytes) -> None:
    with pytest.raises(FramingError):
        decode_ack(message)


@given(_ENVELOPES)
def test_envelopes_round_trip(envelope: Envelope) -> None:
    message = format_envelope(envelope)
    assert b"\0" not in message
    assert b"\n" not in message
    assert parse_envelope(message) == envelope


@given(st.binary(max_size=500))
def test_a_line_cannot_forge_its_envelope(raw: bytes) -> None:
    forged = Envelope(
        "ns", "web", "uid", "ssh", "raw-00", 7, "2025-01-01T00:00:00Z", "stdout", False, "n", ""
    )
    line = printable(b'] <134>1 - other forwarder - line [line@55555 namespace="x"' + raw)
    parsed = parse_envelope(format_envelope(forged) + line)
    assert parsed.line == line.decode()
    assert (parsed.key, parsed.node) == (forged.key, "n")


@given(st.binary(max_size=300))
def test_garbage_is_no_envelope(garbage: bytes) -> None:
    with pytest.raises(MalformedEnvelopeError):
        parse_envelope(garbage)


def test_names_that_would_need_escaping_are_refused() -> None:
    with pytest.raises(ValueError, match="cannot stand"):
        format_envelope(Envelope('a"b', "p", "u", "c", "g", 0, "t", "stdout", False, "n", ""))


def test_bytes_that_are_no_text_become_visible() -> None:
    assert printable(b"a\xff\x00\xc3\xbc\xed\xa0\x80\x1b") == "a\\xff\\x00ü\\xed\\xa0\\x80\x1b".encode()


@given(st.text(max_size=60), st.integers(4, 40))
def test_cutting_keeps_characters_whole(text: str, limit: int) -> None:
    raw = text.encode("utf-8", "surrogatepass")
    kept, cut = cut_line(raw, limit)
    assert raw.startswith(kept)
    assert len(kept) <= limit
    assert cut == (len(raw) > limit)
    kept.decode("utf-8", "surrogatepass")
    assert not cut or len(kept) > limit - 4


@given(_TIMES)
def test_runtime_times_are_read(time: str) -> None:
    assert parse_time(time).utcoffset() is not None


def test_nanoseconds_are_cut_not_rounded() -> None:
    assert parse_time("2025-01-01T00:00:00.123456999+01:00").isoformat() == "2024-12-31T23:00:00.123456+00:00"


@pytest.mark.parametrize(
    "time", ["", "now", "2025-13-01T00:00:00Z", "2025-01-01T00:00:00", "0001-01-01T00:00:00+09:00"]
)
def test_what_is_no_time_is_refused(time: str) -> None:
    with pytest.raises(MalformedEnvelopeError):
        parse_time(time)
