"""Writes event lines to a file descriptor: what every container of a machine does with its stdout."""

from __future__ import annotations

import os
from datetime import UTC, datetime

from .rfc5424 import Line, format_line

MAX_LINE = 64 * 1024
"""Bytes of one line with its newline: what the log readers carry whole."""

SEVERITY_WARNING = 4
SEVERITY_NOTICE = 5
SEVERITY_INFO = 6


class Emitter:
    """Event lines of one service of one machine.

    `hostname` is the machine's name, `app_name` the service's. Lines go to `fd` (stdout) in one
    write each, unbuffered: a line is out before the client has its answer.
    """

    def __init__(self, hostname: str, app_name: str, fd: int = 1) -> None:
        self._hostname = hostname
        self._app_name = app_name
        self._fd = fd

    def emit(
        self, event_id: str, fields: dict[str, str], message: str = "", severity: int = SEVERITY_INFO
    ) -> None:
        """Write one event now. Raises OSError when the descriptor is gone."""
        line = Line(
            hostname=self._hostname,
            app_name=self._app_name,
            msg_id=event_id,
            fields=fields,
            message=message,
            timestamp=datetime.now(UTC),
            severity=severity,
        )
        write_line(line, self._fd)


def write_line(line: Line, fd: int = 1) -> None:
    """Write `line` to `fd`, cut where it is too long. Raises OSError when the descriptor is gone."""
    rest = memoryview(bounded_line(line))
    while rest:
        rest = rest[os.write(fd, rest) :]


def bounded_line(line: Line) -> bytes:
    """`line` with its newline, in at most MAX_LINE bytes.

    A longer one loses the end of its longest field, and again, until it fits. Lengths of four
    times something keep cut base64 decodable.
    """
    fields = dict(line.fields)
    message = line.message
    while True:
        cut = line._replace(fields=fields, message=message)
        raw = format_line(cut).encode("utf-8", "backslashreplace") + b"\n"
        if len(raw) <= MAX_LINE:
            return raw
        longest = max(fields, key=lambda name: len(fields[name]), default="")
        if len(message) > len(fields.get(longest, "")):
            message = message[: len(message) // 2]
        else:
            fields[longest] = fields[longest][: len(fields[longest]) // 8 * 4]
