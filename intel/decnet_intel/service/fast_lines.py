"""The quick way from frames to entries, for lines as our services and forwarder write them.

Whatever is unusual goes through `LineReader`, which decides alone what a line means; a line that is
taken here becomes exactly what it would have become there.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime

from decnet_events.rfc5424 import MAX_PARAMS
from decnet_intel.repository.entries import NULL, SECRET, Entry, Source, entry_of, escaped, source_of
from decnet_intel.service.lines import MAX_CLOCK_ERROR, LineReader, address, dumps, port

_PRINTED = r"[!-\[\]-~]"  # PRINTUSASCII but the backslash, which COPY would want escaped
_MINUTE = r"\d{4}-\d\d-\d\dT\d\d:\d\d"
_REST = re.compile(
    rf' offset="(0|[1-9]\d{{0,17}})" time="({_MINUTE}):[0-5]\d(?:\.\d{{1,9}})?(Z|[+-]\d\d:\d\d)"'
    r' stream="std(?:out|err)" cut="([01])"\]'
    rf" <(\d{{1,3}})>1 ({_MINUTE})(:[0-5]\d\.\d{{6}})Z ({_PRINTED}{{1,255}}) {_PRINTED}{{1,48}} {_PRINTED}{{1,128}}"
    rf" ({_PRINTED}{{1,32}})"
    r' (?:-|\[relay@55555((?: [!#-<>-\\^-~]{1,32}="[^"\\\]]*+(?:\\.[^"\\\]]*+)*+")*+)\])(?: ([^\n]*+))?',
    re.ASCII | re.DOTALL,
)
"""An envelope and its line from the offset on; the envelope's head is looked up."""

_PARAM = re.compile(r' ([^=]+)="([^"\\]*+(?:\\.[^"\\]*+)*+)"', re.DOTALL)
_ESCAPED = re.compile(r"\\([\"\\\]])")
_SEVERITIES = {str(priority): str(priority % 8) for priority in range(192)}
_MAX_SOURCES = 4096
_MAX_MINUTES = 4096
_MAX_MINUTES_APART = int(MAX_CLOCK_ERROR.total_seconds()) // 60 - 1
"""Two times whose minutes are no further apart are within MAX_CLOCK_ERROR, whatever their seconds."""

_Minute = tuple[date, int]
"""The UTC date, and the minutes since 1970."""


class FastReader:
    """Turns the frames of one connection into entries; the arguments are those of LineReader."""

    def __init__(self, node: str, connection: str, *, acknowledged: bool) -> None:
        self._slow = LineReader(node, connection, acknowledged=acknowledged)
        self._sources: dict[str, Source] = {}  # by the head of the envelope
        self._known: dict[tuple[object, ...], Source] = {}  # by its values
        self._minutes: dict[str, _Minute] = {}

    @property
    def forged(self) -> int:
        """Frames that claimed another node than the certificate's."""
        return self._slow.forged

    @property
    def remembered(self) -> int:
        """Entries of all caches."""
        return len(self._sources) + len(self._known) + len(self._minutes)

    def read(self, frames: Sequence[bytes], now: datetime) -> list[Entry]:
        """The entries of the next frames, in order; `now` stands in for a time that is missing."""
        return [self.quick(frame) or self._thorough(frame, now) for frame in frames]

    def quick(self, frame: bytes) -> Entry | None:
        """The entry of `frame`, or None when it is not of the usual form."""
        try:
            text = frame.decode()
        except UnicodeDecodeError:
            return None
        at = text.find(' offset="')
        source = self._sources.get(text[:at])
        found = _REST.fullmatch(text, at) if source is not None else None
        if source is None or found is None or "\n" in text or "\0" in text:
            return None
        offset, written, zone, cut, priority, minute, second, host, kind, params, message = found.groups()
        severity = _SEVERITIES.get(priority)
        day = self._day(written, zone, minute)
        if severity is None or day is None:
            return None
        fields: dict[str, str] = {}
        src_ip = None
        src_port: str | int = NULL
        if params:
            pairs = _PARAM.findall(params)
            if len(pairs) > MAX_PARAMS:
                return None
            fields = dict(pairs)
            if "\\" in params:
                fields = {name: _ESCAPED.sub(r"\1", value) for name, value in fields.items()}
            told = fields.get("src_ip")
            if told:
                src_ip = address(told)
            number = port(fields.get("src_port"))
            if number is not None:
                src_port = number
        json = dumps(fields)
        if "\\" in json:
            json = json.replace("\\", "\\\\")
        message = escaped(message.removeprefix("\ufeff")) if message else ""
        at_text = f"{minute}{second}+00:00"
        return (
            source, day, int(offset), kind, at_text, src_ip, SECRET in fields,
            f"{offset}\t{cut}\t{at_text}\t{kind}\t{severity}\t{host}\t{src_ip or NULL}\t{src_port}\t{json}"
            f"\t{message}\t{NULL}\n",
        )  # fmt: skip

    def _day(self, written: str, zone: str, minute: str) -> date | None:
        """The day of a line; None when one of its times is none, or they are too far apart."""
        if zone != "Z":
            written += zone
        times = self._minutes.get(written) or self._minute(written)
        if times is None or written == minute:
            return times[0] if times else None
        own = self._minutes.get(minute) or self._minute(minute)
        return times[0] if own and abs(own[1] - times[1]) <= _MAX_MINUTES_APART else None

    def _minute(self, text: str) -> _Minute | None:
        """What `text`, to the minute and with an offset unless it is UTC, stands for; None if nothing."""
        minute, zone = text[:16], text[16:]
        try:
            when = datetime.fromisoformat(f"{minute}:00{zone or 'Z'}").astimezone(UTC)
        except (ValueError, OverflowError):
            return None
        if len(self._minutes) >= _MAX_MINUTES:
            self._minutes.clear()
        self._minutes[text] = found = (when.date(), int(when.timestamp()) // 60)
        return found

    def _thorough(self, frame: bytes, now: datetime) -> Entry:
        """The entry of any frame; what the lines of its file have in common is remembered."""
        forged = self._slow.forged
        row = self._slow.read(frame, now)
        if len(self._sources) + len(self._known) >= _MAX_SOURCES:
            self._sources.clear()
            self._known.clear()
        source = self._known.setdefault(row[:6], source_of(row))
        if row.pod_uid and self._slow.forged == forged:
            text = frame.decode()
            self._sources[text[: text.index(' offset="')]] = source
        return entry_of(row, source)
