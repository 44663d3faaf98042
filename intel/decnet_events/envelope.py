"""The envelope in which the forwarder hands one log line of a container to the listener.

An RFC 5424 message: HOSTNAME is the node, APP-NAME `forwarder`, MSGID `line`; one element says where
the line was found, and MSG is the line itself. TIMESTAMP is NIL because the container runtime's
time has nanoseconds, which RFC 5424 does not allow; it is the parameter `time`.

    <134>1 - node-1 forwarder - line [line@55555 namespace="…" pod="…" uid="…" container="…"
    gen="…" offset="…" time="…" stream="stdout" cut="0"] the line

(uid, container, gen, offset) is the line's identity. `gen` is the runtime's time of the first
record in the log file: renaming, copying and compressing the file leave it as it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from .framing import MAX_LINE

SD_ID = "line@55555"
APP_NAME = "forwarder"
MSG_ID = "line"
STREAMS = ("stdout", "stderr")

_VALUE = r"[!#-\[^-~]"  # printable ASCII that needs no escape
_NAME = re.compile(rf"{_VALUE}{{1,253}}", re.ASCII)
_ENVELOPE = re.compile(
    rf"<134>1 - (?P<node>{_VALUE}{{1,253}}) forwarder - line \[line@55555"
    rf' namespace="(?P<namespace>{_VALUE}{{1,253}})" pod="(?P<pod>{_VALUE}{{1,253}})"'
    rf' uid="(?P<uid>{_VALUE}{{1,253}})" container="(?P<container>{_VALUE}{{1,253}})"'
    rf' gen="(?P<gen>{_VALUE}{{1,64}})" offset="(?P<offset>0|[1-9]\d{{0,17}})"'
    rf' time="(?P<time>{_VALUE}{{1,64}})" stream="(?P<stream>stdout|stderr)" cut="(?P<cut>[01])"'
    rf'(?: [a-z_]{{1,32}}="{_VALUE}{{0,253}}"){{0,8}}\](?: (?P<line>[^\n]*))?',
    re.ASCII,
)
_RFC3339 = re.compile(
    r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)",
    re.ASCII,
)


class MalformedEnvelopeError(ValueError):
    """The message is not an envelope as above; its text says what is wrong."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """One line and where it comes from.

    `time` and `gen` are RFC 3339 with up to nine digits, as the runtime wrote them (see
    `parse_time`); `gen` of a file that does not begin with a record is `raw-<hex>`. `offset` is in
    bytes of the uncompressed file. `cut` says that the line was longer than MAX_LINE.
    """

    namespace: str
    pod: str
    uid: str
    container: str
    gen: str
    offset: int
    time: str
    stream: str
    cut: bool
    node: str
    line: str

    @property
    def key(self) -> tuple[str, str, str, int]:
        """The line's identity."""
        return (self.uid, self.container, self.gen, self.offset)


def printable(raw: bytes) -> bytes:
    """`raw` as valid UTF-8: bytes that are not, NUL and line feed become \\xNN.

    Other control characters stay: the line is evidence. NUL goes because Postgres refuses it.
    """
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        text = raw.decode("utf-8", "backslashreplace")
        raw = text.encode()
    return raw.replace(b"\0", b"\\x00").replace(b"\n", b"\\x0a")


def cut_line(raw: bytes, limit: int = MAX_LINE) -> tuple[bytes, bool]:
    """At most `limit` bytes of `raw`, and whether something was cut; a character is not split."""
    if len(raw) <= limit:
        return raw, False
    end = limit
    while end > limit - 3 and raw[end] & 0xC0 == 0x80:
        end -= 1
    if raw[end] & 0xC0 == 0x80:  # not UTF-8 anyway
        end = limit
    return raw[:end], True


def envelope_head(node: str, namespace: str, pod: str, uid: str, container: str, gen: str) -> bytes:
    """What the envelopes of all lines of one log file begin with, for `envelope`.

    Raises ValueError for a name that would have to be escaped: Kubernetes allows none.
    """
    for name in (node, namespace, pod, uid, container, gen):
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} cannot stand in an envelope")
    return (
        f'<134>1 - {node} {APP_NAME} - {MSG_ID} [{SD_ID} namespace="{namespace}" pod="{pod}"'
        f' uid="{uid}" container="{container}" gen="{gen}" offset="'
    ).encode()


def envelope(head: bytes, offset: int, time: bytes, stream: bytes, cut: bool, line: bytes) -> bytes:
    """One envelope. `line` has been through `printable` and `cut_line`; `time` is RFC 3339."""
    return b'%b%d" time="%b" stream="%b" cut="%d"] %b' % (head, offset, time, stream, cut, line)


def format_envelope(it: Envelope) -> bytes:
    """`it` as the listener parses it. Convenient, not fast: see `envelope_head`."""
    head = envelope_head(it.node, it.namespace, it.pod, it.uid, it.container, it.gen)
    return envelope(head, it.offset, it.time.encode(), it.stream.encode(), it.cut, it.line.encode())


def parse_envelope(message: bytes) -> Envelope:
    """The envelope in a frame's message. Raises MalformedEnvelopeError."""
    try:
        text = message.decode()
    except UnicodeDecodeError as error:
        raise MalformedEnvelopeError(f"not UTF-8 at byte {error.start}") from error
    found = _ENVELOPE.fullmatch(text)
    if found is None:
        raise MalformedEnvelopeError("not an envelope")
    node, namespace, pod, uid, container, gen, offset, time, stream, cut, line = found.groups()
    if "\0" in text:
        raise MalformedEnvelopeError("NUL in an envelope")
    return Envelope(
        namespace, pod, uid, container, gen, int(offset), time, stream, cut == "1", node, line or ""
    )


def parse_time(text: str) -> datetime:
    """RFC 3339 with up to nine digits as UTC, cut to microseconds. Raises MalformedEnvelopeError."""
    found = _RFC3339.fullmatch(text)
    if found is None:
        raise MalformedEnvelopeError(f"time {text!r} is not RFC 3339")
    try:
        when = datetime.fromisoformat(f"{found[1]}.{(found[2] or '0')[:6]:<06}{found[3]}")
        return when.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise MalformedEnvelopeError(f"time {text!r} is not a time") from error
