"""RFC 5424 syslog messages: one line out, one bounded parse in.

The parser reads text that an intruder may have written. It never raises anything but
`MalformedLineError`, looks at each character once, and bounds every count.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import NamedTuple

SD_ID = "relay@55555"
"""The structured-data element that carries an event's fields."""

FACILITY_LOCAL0 = 16
NIL = "-"
MAX_PARAMS = 128
MAX_NAME = 32  # RFC 5424 section 6, SD-NAME
_LIMITS = {"hostname": 255, "app_name": 48, "proc_id": 128, "msg_id": 32}  # RFC 5424 section 6

_HEADER = re.compile(
    r"<(\d{1,3})>1 ([!-~]{1,64}) ([!-~]{1,255}) ([!-~]{1,48}) ([!-~]{1,128}) ([!-~]{1,32}) ", re.ASCII
)
_NAME = r"[!#-<>-\\^-~]{1,32}"  # PRINTUSASCII without '=', ']' and '"'
_SD_ID = re.compile(rf"\[({_NAME})")
_PARAM = re.compile(rf' ({_NAME})="((?:[^"\\\]]|\\.)*)"', re.DOTALL)
_ESCAPED = re.compile(r"\\([\"\\\]])")
_CONTROL = {code: f"\\x{code:02x}" for code in (*range(0x20), 0x7F)}
_TO_ESCAPE = str.maketrans({'"': '\\"', "\\": "\\\\", "]": "\\]", **_CONTROL})


class MalformedLineError(ValueError):
    """The text is not an RFC 5424 message; the message says what is wrong and where."""


class Line(NamedTuple):
    """One event as RFC 5424 carries it. (The dataclasses module would cost each small container 2.5 MB.)

    `fields` are the parameters of the `relay@55555` element; parameters of other elements are
    not kept. `timestamp` is None for the NIL value.
    """

    hostname: str
    app_name: str
    msg_id: str
    fields: dict[str, str]
    message: str = ""
    timestamp: datetime | None = None
    severity: int = 6
    facility: int = FACILITY_LOCAL0
    proc_id: str = NIL


def _header_token(name: str, value: str) -> str:
    """`value` as PRINTUSASCII of the permitted length, or NIL when nothing is left of it."""
    kept = "".join(c for c in value if "!" <= c <= "~")
    return kept[: _LIMITS[name]] or NIL


def format_timestamp(when: datetime) -> str:
    """`when` in UTC with microseconds, as RFC 3339 writes it."""
    return f"{when.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def format_line(line: Line) -> str:
    """`line` as one line of text without its newline; control characters are escaped.

    Raises ValueError for a field name that RFC 5424 does not allow.
    """
    for name in line.fields:
        if not _is_name(name):
            raise ValueError(f"field name {name!r} is not an RFC 5424 SD-NAME")
    params = "".join(f' {name}="{value.translate(_TO_ESCAPE)}"' for name, value in line.fields.items())
    timestamp = format_timestamp(line.timestamp) if line.timestamp else NIL
    message = f" {line.message.translate(_CONTROL)}" if line.message else ""
    return (
        f"<{line.facility * 8 + line.severity}>1 {timestamp}"
        f" {_header_token('hostname', line.hostname)} {_header_token('app_name', line.app_name)}"
        f" {_header_token('proc_id', line.proc_id)} {_header_token('msg_id', line.msg_id)}"
        f" {f'[{SD_ID}{params}]' if params else NIL}{message}"
    )


def parse_line(text: str) -> Line:
    """The message in `text`, which has no trailing newline. Raises MalformedLineError."""
    header = _HEADER.match(text)
    if header is None:
        raise MalformedLineError("no RFC 5424 header")
    priority = int(header[1])
    if priority > 191:
        raise MalformedLineError(f"PRI {priority} is over 191")
    fields, end = _parse_structured_data(text, header.end())
    if end < len(text) and text[end] != " ":
        raise MalformedLineError(f"no space after structured data at {end}")
    return Line(
        severity=priority % 8,
        facility=priority // 8,
        timestamp=_parse_timestamp(header[2]),
        hostname=header[3],
        app_name=header[4],
        proc_id=header[5],
        msg_id=header[6],
        fields=fields,
        message=text[end + 1 :].removeprefix("\ufeff"),
    )


def _is_name(name: str) -> bool:
    return 0 < len(name) <= MAX_NAME and all("!" <= c <= "~" and c not in '="]' for c in name)


def _parse_timestamp(text: str) -> datetime | None:
    if text == NIL:
        return None
    try:
        when = datetime.fromisoformat(text)
    except ValueError as error:
        raise MalformedLineError(f"TIMESTAMP {text!r} is not RFC 3339") from error
    if when.tzinfo is None:
        raise MalformedLineError(f"TIMESTAMP {text!r} has no offset")
    try:
        return when.astimezone(UTC)
    except OverflowError as error:
        raise MalformedLineError(f"TIMESTAMP {text!r} is out of range") from error


def _parse_structured_data(text: str, at: int) -> tuple[dict[str, str], int]:
    """The fields of our element and the index after all elements."""
    if text.startswith(NIL, at):
        return {}, at + 1
    fields: dict[str, str] = {}
    count = 0
    if not text.startswith("[", at):
        raise MalformedLineError(f"no structured data at {at}")
    while text.startswith("[", at):
        sd_id = _SD_ID.match(text, at)
        if sd_id is None:
            raise MalformedLineError(f"no SD-ID at {at}")
        at = sd_id.end()
        while (param := _PARAM.match(text, at)) is not None:
            count += 1
            if count > MAX_PARAMS:
                raise MalformedLineError(f"more than {MAX_PARAMS} parameters")
            if sd_id[1] == SD_ID:
                fields[param[1]] = _ESCAPED.sub(r"\1", param[2])
            at = param.end()
        if not text.startswith("]", at):
            raise MalformedLineError(f"element not closed at {at}")
        at += 1
    return fields, at
