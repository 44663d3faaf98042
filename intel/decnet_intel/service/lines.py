"""From a frame on the wire to a row of `events`. Pure, and it keeps everything: what cannot be read
is kept as it is, under the event id `raw`."""

from __future__ import annotations

import functools
import ipaddress
from collections.abc import Mapping
from datetime import datetime, timedelta
from json.encoder import encode_basestring as _quoted

from decnet_events.envelope import MalformedEnvelopeError, parse_envelope, parse_time
from decnet_events.rfc5424 import Line, MalformedLineError, parse_line
from decnet_intel.repository.entries import RAW, Entry, Row, entry_of, line_values

SEVERITY_OF_RAW = 5  # notice
MAX_CLOCK_ERROR = timedelta(hours=1)
"""A line's own time that is further than this from the runtime's is a lie or a broken clock."""


def storable(text: str) -> str:
    """`text` without what Postgres cannot hold: NUL and lone surrogates become \\x00 and \\udXXX."""
    if "\0" in text:
        text = text.replace("\0", "\\x00")
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode()
    return text


@functools.lru_cache(maxsize=8192)
def address(text: str) -> str | None:
    """`text` as an address that Postgres's inet reads, an IPv4-mapped one as IPv4; None if it is none."""
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(found, ipaddress.IPv6Address):
        if found.scope_id is not None:
            return None
        return str(found.ipv4_mapped or found)
    return str(found)


def port(text: str | None) -> int | None:
    """`text` as a port number; None if it is none."""
    if text is None or not (text.isascii() and text.isdigit()) or len(text) > 5:
        return None
    number = int(text)
    return number if number <= 65535 else None


class LineReader:
    """Turns the frames of one connection into rows.

    Arguments: `node`, the name in the client's certificate, which is the only node name believed;
    `connection`, unique for ever; `acknowledged`, whether frames are envelopes of a forwarder.
    A frame without an identity of its own gets the connection's and its number there, so it is
    never taken for another, and never recognised when it is sent again.
    """

    def __init__(self, node: str, connection: str, *, acknowledged: bool) -> None:
        self._node = node
        self._connection = connection
        self._acknowledged = acknowledged
        self._count = 0
        self.forged = 0
        """Frames that claimed another node than the certificate's."""

    def read(self, frame: bytes, now: datetime) -> Row:
        """The row of the next frame; `now` stands in for a time that is missing."""
        self._count += 1
        if not self._acknowledged:
            return self._read_plain(frame, now)
        try:
            it = parse_envelope(frame)
            written_at = parse_time(it.time)
        except MalformedEnvelopeError:
            return self._anonymous(frame, now, None)
        if it.node != self._node:
            self.forged += 1
        # decoded from valid UTF-8 without NUL, so storable as it is
        try:
            line = parse_line(it.line)
        except MalformedLineError:
            line = None
        return Row(
            self._node, it.namespace, it.pod, it.uid, it.container, it.gen, it.offset,
            *(_readable(line, written_at) if line else _unreadable(it.line, written_at)),
            True, it.cut, written_at,
        )  # fmt: skip

    def _read_plain(self, frame: bytes, now: datetime) -> Row:
        text = storable(frame.decode("utf-8", "backslashreplace"))
        try:
            line = parse_line(text)
        except MalformedLineError:
            return self._anonymous(frame, now, None)
        line.fields.setdefault("app_name", line.app_name)
        return self._anonymous(frame, now, line)

    def _anonymous(self, frame: bytes, now: datetime, line: Line | None) -> Row:
        text = storable(frame.decode("utf-8", "backslashreplace"))
        return Row(
            self._node, "", "", "", "", self._connection, self._count,
            *(_readable(line, now) if line else _unreadable(text, now)),
            self._acknowledged, False, None,
        )  # fmt: skip


_Told = tuple[str, int, str, str | None, int | None, str, str, str | None, datetime]


def _readable(line: Line, written_at: datetime) -> _Told:
    """What the line says of itself: event_id … occurred_at of Row."""
    fields = line.fields
    occurred_at = line.timestamp
    if occurred_at is None:
        occurred_at = written_at
    elif abs(occurred_at - written_at) > MAX_CLOCK_ERROR:
        fields.setdefault("claimed_time", occurred_at.isoformat())
        occurred_at = written_at
    source = fields.get("src_ip")
    return (
        line.msg_id,
        line.severity,
        line.hostname,
        address(source) if source else None,
        port(fields.get("src_port")),
        dumps(fields),
        line.message,
        None,
        occurred_at,
    )


def _unreadable(text: str, written_at: datetime) -> _Told:
    return (RAW, SEVERITY_OF_RAW, "", None, None, "{}", "", text, written_at)


def without_content(entry: Entry) -> Entry:
    """`entry` with all that an intruder wrote as plain ASCII in `raw`: for what Postgres refuses."""
    source, day, byte_offset, _, at, *_ = entry
    values = line_values(entry)
    told = values["raw"]
    if told is None:
        told = dumps({name: values[name] or "" for name in _WRITTEN_BY_THE_LINE})
    row = Row(
        source.file.node, source.namespace, source.decky, source.file.pod_uid, source.file.container,
        source.file.generation, byte_offset,
        *_unreadable(ascii(told), datetime.fromisoformat(at)),
        source.acknowledged, values["cut"] == "1", None,
    )  # fmt: skip
    kept = entry_of(row, source)
    return (source, day, *kept[2:])


_WRITTEN_BY_THE_LINE = ("event_id", "hostname", "fields", "message")


def dumps(fields: Mapping[str, str]) -> str:
    """`fields` as a JSON object; json's own encoder takes twice as long."""
    return "{" + ",".join([f"{_quoted(name)}:{_quoted(value)}" for name, value in fields.items()]) + "}"
