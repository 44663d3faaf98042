"""From frames to rows: nothing raises, nothing is lost, everything can be stored."""

from __future__ import annotations

import datetime as dt
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decnet_events.envelope import Envelope, format_envelope, printable
from decnet_events.rfc5424 import Line, format_line
from decnet_intel.repository.entries import RAW, entry_of, line_values
from decnet_intel.service.lines import LineReader, address, port, storable, without_content

NOW = dt.datetime(2026, 5, 4, 12, 0, 0, tzinfo=dt.UTC)


def envelope(line: str, *, node: str = "node-1", time: str = "2026-05-04T11:59:59.123456789Z") -> bytes:
    return format_envelope(
        Envelope("decnet", "web", "uid", "ssh", "2026-05-04T00:00:00Z", 5, time, "stdout", False, node, line)
    )


def read(frame: bytes, *, acknowledged: bool = True) -> object:
    return LineReader("node-1", "connection", acknowledged=acknowledged).read(frame, NOW)


def test_fields_and_times() -> None:
    line = Line("web01", "ssh", "connect", {"src_ip": "10.0.0.1", "src_port": "22"}, "text", NOW)
    row = LineReader("node-1", "c", acknowledged=True).read(envelope(format_line(line)), NOW)
    assert row.occurred_at == NOW
    assert row.written_at == dt.datetime(2026, 5, 4, 11, 59, 59, 123456, dt.UTC)
    assert (row.src_ip, row.src_port, row.hostname, row.message) == ("10.0.0.1", 22, "web01", "text")
    assert json.loads(row.fields) == line.fields


def test_without_a_time_of_its_own_the_runtimes_counts() -> None:
    row = LineReader("node-1", "c", acknowledged=True).read(envelope("<134>1 - h a - connect -"), NOW)
    assert row.occurred_at == row.written_at


def test_frames_without_identity_are_numbered() -> None:
    reader = LineReader("node-1", "connection", acknowledged=False)
    rows = [reader.read(b"x", NOW) for _ in range(3)]
    assert [(row.generation, row.byte_offset) for row in rows] == [("connection", n) for n in (1, 2, 3)]
    assert not any(row.acknowledged or row.pod_uid or row.decky for row in rows)


def test_a_time_that_is_none_makes_the_envelope_unreadable() -> None:
    row = LineReader("node-1", "c", acknowledged=True).read(envelope("x", time="yesterday"), NOW)
    assert (row.event_id, row.pod_uid) == (RAW, "")
    assert row.raw is not None
    assert "yesterday" in row.raw


@given(st.binary(max_size=300), st.booleans())
def test_any_frame_becomes_a_row(frame: bytes, acknowledged: bool) -> None:
    row = LineReader("node-1", "c", acknowledged=acknowledged).read(frame, NOW)
    assert row.node == "node-1"
    for text in (row.raw or "", row.message, row.fields, row.hostname, row.event_id):
        assert "\0" not in text
        text.encode()


@given(st.binary(max_size=300))
def test_any_line_keeps_its_place_and_its_bytes(raw: bytes) -> None:
    text = printable(raw).decode()
    row = LineReader("node-1", "c", acknowledged=True).read(envelope(text), NOW)
    assert (row.pod_uid, row.byte_offset, row.service) == ("uid", 5, "ssh")
    if row.event_id == RAW and row.raw is not None:
        assert row.raw == text
    json.loads(row.fields)


@given(st.text(max_size=100))
def test_storable_text_is_storable_and_unchanged_where_it_can_be(text: str) -> None:
    kept = storable(text)
    assert "\0" not in kept
    kept.encode()
    if "\0" not in text and not any(0xD800 <= ord(c) < 0xE000 for c in text):
        assert kept == text
    assert storable(kept) == kept


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("2001:DB8::1", "2001:db8::1"),
        ("fe80::1%eth0", None),
        ("10.0.0.0/8", None),
        ("010.0.0.1", None),
        ("", None),
    ],
)
def test_addresses(text: str, found: str | None) -> None:
    assert address(text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [("0", 0), ("65535", 65535), ("65536", None), ("-1", None), ("٣", None), ("", None), (None, None)],
)
def test_ports(text: str | None, found: int | None) -> None:
    assert port(text) == found


def test_what_postgres_refuses_is_kept_as_ascii() -> None:
    row = LineReader("node-1", "c", acknowledged=True).read(
        envelope(format_line(Line("h", "a", "connect", {"k": "ü"}, "m", NOW))), NOW
    )
    kept = without_content(entry_of(row))
    values = line_values(kept)
    assert (kept[1], kept[2], kept[3]) == (NOW.date(), 5, RAW)
    assert (values["event_id"], values["fields"], values["src_ip"], values["message"]) == (
        RAW,
        "{}",
        None,
        "",
    )
    assert values["raw"] is not None
    assert values["raw"].isascii()
    assert "connect" in values["raw"]
    assert r"\xfc" in values["raw"]
