"""Records to lines."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decnet_events.envelope import printable
from decnet_node.forwarder.cri import HEAD_BYTES, Joiner, Line, generation
from decnet_node.forwarder.spans import ContainerSpans

_T = b"2025-01-01T00:00:00.000000001Z"
_G = "2025-01-01T00:00:00Z"


def _joiner(limit: int) -> Joiner:
    return Joiner(limit, ContainerSpans())


def _record(content: bytes, *, stream: bytes = b"stdout", tag: bytes = b"F") -> bytes:
    return b"%b %b %b %b\n" % (_T, stream, tag, content)


@st.composite
def _logs(draw: st.DrawFn) -> tuple[bytes, list[tuple[bytes, int, bytes]]]:
    """A file with both streams interleaved, and the lines in it as (stream, offset, content)."""
    data = b""
    open_lines: dict[bytes, tuple[int, bytes]] = {}
    lines: list[tuple[bytes, int, bytes]] = []
    for _ in range(draw(st.integers(0, 30))):
        stream = draw(st.sampled_from([b"stdout", b"stderr"]))
        piece = draw(st.binary(max_size=30)).replace(b"\n", b"")
        start, before = open_lines.pop(stream, (len(data), b""))
        tag = draw(st.sampled_from([b"F", b"P", b"F:x"]))
        data += _record(piece, stream=stream, tag=tag)
        if tag == b"P":
            open_lines[stream] = (start, before + piece)
        else:
            lines.append((stream, start, printable(before + piece)))
    return data, lines


@given(_logs(), st.data())
def test_any_piecewise_reading_gives_the_same_lines(
    log: tuple[bytes, list[tuple[bytes, int, bytes]]], data: st.DataObject
) -> None:
    raw, expected = log
    joiner = _joiner(1000)
    records = [record + b"\n" for record in raw.split(b"\n")[:-1]]
    got: list[Line] = []
    at = 0
    while records:
        count = data.draw(st.integers(1, len(records)))
        piece = b"".join(records[:count])
        got += joiner.feed(_G, at, piece)
        at += len(piece)
        records = records[count:]
    assert [(line.stream, line.offset, line.content) for line in got] == expected


@given(_logs(), st.data())
def test_a_restart_at_the_resume_offset_loses_nothing(
    log: tuple[bytes, list[tuple[bytes, int, bytes]]], data: st.DataObject
) -> None:
    raw, expected = log
    ends = [i + 1 for i, byte in enumerate(raw) if byte == 10]
    files = ContainerSpans()
    spans = files[_G]
    first = Joiner(1000, files)
    before: list[Line] = []
    at = 0
    for end in sorted(data.draw(st.lists(st.sampled_from([0, *ends]), max_size=3))):
        spans.position = end
        before += first.feed(_G, at, raw[at:end])
        at = end
        assert spans.resume() <= end
    resume = spans.resume()
    after = _joiner(1000).feed(_G, resume, raw[resume:])
    got = {(line.stream, line.offset, line.content) for line in [*before, *after]}
    assert got == set(expected)  # none less, and none that was not there


def test_a_line_over_two_files_holds_both_back() -> None:
    spans = ContainerSpans()
    joiner = Joiner(1000, spans)
    spans["g1"].position = 99
    assert joiner.feed("g1", 50, _record(b"one ", tag=b"P")) == []
    spans["g2"].position = 99
    assert joiner.feed("g2", 0, _record(b"two ", tag=b"P")) == []
    assert (spans["g1"].resume(), spans["g2"].resume()) == (50, 0)
    spans["g2"].position = 150
    (line,) = joiner.feed("g2", 99, _record(b"three"))
    assert (line.gen, line.offset, line.content) == ("g1", 50, b"one two three")
    assert (spans["g1"].resume(), spans["g2"].resume()) == (99, 150)


@pytest.mark.parametrize("pieces", [1, 3, 40])
def test_long_lines_are_cut_marked_and_bounded(pieces: int) -> None:
    joiner = _joiner(100)
    for number in range(pieces - 1):
        assert joiner.feed(_G, number * 1000, _record("ü".encode() * 60, tag=b"P")) == []
    (line,) = joiner.feed(_G, 99_000, _record("ü".encode() * 60))
    assert line.cut
    assert line.content == "ü".encode() * 50
    exact = joiner.feed(_G, 99_999, _record(b"x" * 100))[0]
    assert (exact.cut, len(exact.content)) == (False, 100)


def test_a_dead_container_s_last_words_are_flushed_in_order() -> None:
    joiner = _joiner(100)
    joiner.feed(_G, 0, _record(b"err", stream=b"stderr", tag=b"P") + _record(b"out", tag=b"P"))
    assert [line.content for line in joiner.flush()] == [b"err", b"out"]
    assert joiner.flush() == []


def test_garbage_is_kept_and_a_torn_record_marked() -> None:
    joiner = _joiner(100)
    (garbage,) = joiner.feed(_G, 5, b"\0\0\0 no record\n")
    assert (garbage.content, garbage.time) == (b"\\x00\\x00\\x00 no record", _G.encode())
    (torn,) = joiner.feed(_G, 9, _record(b"half")[:-1], torn=True)
    assert (torn.content, torn.cut) == (b"half", True)


def test_empty_lines_are_lines() -> None:
    assert [line.content for line in _joiner(9).feed(_G, 0, _record(b"") + _T + b" stderr F\n")] == [b"", b""]


def test_generation() -> None:
    assert generation(b"") is None
    assert generation(_T[:20]) is None
    assert generation(_T) is None
    assert generation(_T + b" ") == _T.decode()
    assert generation(_record(b"anything")) == _T.decode()
    assert generation(b"\0" * HEAD_BYTES) == "raw-" + "00" * 24
    assert generation(b"x\n") == "raw-78" == generation(b"x\n" + b"y" * 62)
