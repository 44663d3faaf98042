"""How captured files travel from a node to the listener: the messages, and what they may hold.

On a connection whose ALPN is `artifact` both sides write octet-counted frames (`framing`). The node asks:

    OFFER {json}     this artifact is here; one at a time on a connection
    DATA <bytes>     the next bytes of the artifact that was offered last
    LOST {json}      this much will never come, and why

The listener answers:

    AT <offset>      so many bytes of the artifact are on its disk; send from there
    STORED <sha256>  the content is whole, verified and durable, and the capture is recorded
    REFUSED <reason> the artifact (or the report of a loss) is not taken; see REFUSALS
    NOTED <id>       the loss is recorded; the same id again changes nothing

The order, to which both sides hold:

- OFFER is answered by AT (0 for a new one), REFUSED, or STORED when the content is there already. An
  OFFER for which no byte is missing is never answered AT: an empty file is STORED at once.
- The node sends DATA from that offset on, never more than WINDOW bytes beyond the last AT. The listener
  sends AT whenever it has written what has arrived, never waiting for more; offsets never go back.
  The last byte is answered by STORED or REFUSED; an AT before it is allowed.
- After REFUSED the listener ignores DATA until the next OFFER: it was on its way already.
- Once everything sent is acknowledged by AT, the node may send another OFFER or LOST in the middle of an
  artifact. What came so far stays at the listener and is gone on with at a later OFFER of the same sha256.
- REFUSED mismatch means that the bytes do not have the sha256 offered: the listener has forgotten them.

Every message is bounded in size and every field in form: an intruder chose the files' names and bytes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import Any, TypeVar

ALPN_ARTIFACT = "artifact"
"""ALPN protocol name of this exchange."""

MAX_ARTIFACT = 100 * 1024 * 1024
"""Bytes of one artifact; what is beyond is cut at the node and the artifact marked."""

MAX_DATA = 128 * 1024
"""Bytes in one DATA message."""

WINDOW = 1024 * 1024
"""Bytes that may be on their way beyond the last AT."""

MAX_JSON = 4096
MAX_REQUEST = MAX_DATA + len(b"DATA ")
"""Bytes of the longest message to the listener, for its FrameDecoder."""

MAX_REPLY = 128
"""Bytes of the longest message to the node, for its FrameDecoder."""

KINDS = ("session", "file")
REFUSALS = {
    "quota": "The decky or the node has its quota of what is kept.",
    "invalid": "The message breaks the rules of this exchange.",
    "mismatch": "The bytes that came do not have the sha256 that was offered.",
}
LOSSES = {
    "backlog": "Too much waited on the node for the listener; the oldest went.",
    "quota": "The listener refused it: the quota of what is kept is used up.",
    "invalid": "The listener refused it as invalid.",
    "mismatch": "Again and again the bytes that arrived were not those that were sent.",
    "size": "The file is longer than the limit; the beginning was kept.",
    "changed": "The file changed while it was copied; what was read was kept.",
    "name": "The file's name is none that a service gives.",
    "type": "It is no regular file with one name (a link, a pipe, a directory, a device).",
    "unreadable": "The file or the spool could not be read.",
    "stuck": "Too many files that cannot be deleted are in the spool; nothing is taken from it any more.",
    "corrupt": "The copy on the node's disk was damaged.",
}
"""Why something was lost, and what that means."""

_MAX_BYTES = 2**63 - 1
_MAX_COUNT = 2**31 - 1
_NAME = re.compile(r"[a-z0-9][A-Za-z0-9._-]{0,127}", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_ID = re.compile(r"[0-9a-f]{32}", re.ASCII)
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
_POD = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?", re.ASCII)
_UID = re.compile(r"[A-Za-z0-9-]{1,64}", re.ASCII)
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z", re.ASCII)
_TIME_FORMAT = "%Y-%m-%dT%H:%M:%S.%fZ"
_JSON = json.JSONEncoder(separators=(",", ":")).encode
_OFFSET = re.compile(rb"0|[1-9][0-9]{0,17}")


class TransferError(ValueError):
    """The message breaks the rules above; its text says how, without the peer's bytes in full."""


def is_name(name: str) -> bool:
    """Whether a finished file in a spool may be called so; such a name is safe as a file name."""
    return _NAME.fullmatch(name) is not None


def kind_of(name: str) -> str:
    """`session` for the recording of a session, `file` for everything else."""
    return "session" if name.startswith("session-") else "file"


@dataclass(frozen=True, slots=True)
class Offer:
    """One captured file. `modified` is its time of modification (UTC), which an intruder can choose.

    `cut` says that there was more than the `size` bytes offered. Raises TransferError for a field out of
    its form.
    """

    sha256: str
    size: int
    namespace: str
    pod: str
    uid: str
    container: str
    name: str
    kind: str
    modified: datetime
    cut: bool

    def __post_init__(self) -> None:
        _check_origin(self.namespace, self.pod, self.uid, self.container)
        _check_text("sha256", self.sha256, _SHA256)
        _check_text("name", self.name, _NAME)
        _check_choice("kind", self.kind, KINDS)
        _check_number("size", self.size, 0, MAX_ARTIFACT)
        if type(self.cut) is not bool:
            raise TransferError("cut is not true or false")
        if self.modified.utcoffset() is None:
            raise TransferError("modified has no time zone")


@dataclass(frozen=True, slots=True)
class Lost:
    """What will never come. `id` (32 hex digits) is that of this report, however often it is sent.

    `name` is empty for several files and when it must not be told; `bytes` is what is known of their size.
    """

    id: str
    namespace: str
    pod: str
    uid: str
    container: str
    name: str
    kind: str
    bytes: int
    count: int
    reason: str

    def __post_init__(self) -> None:
        _check_origin(self.namespace, self.pod, self.uid, self.container)
        _check_text("id", self.id, _ID)
        if self.name != "":
            _check_text("name", self.name, _NAME)
        _check_choice("kind", self.kind, KINDS)
        _check_choice("reason", self.reason, LOSSES)
        _check_number("bytes", self.bytes, 0, _MAX_BYTES)
        _check_number("count", self.count, 1, _MAX_COUNT)


@dataclass(frozen=True, slots=True)
class Data:
    """The next bytes, 1 to MAX_DATA of them."""

    content: bytes


@dataclass(frozen=True, slots=True)
class At:
    """So many bytes are on the listener's disk."""

    offset: int


@dataclass(frozen=True, slots=True)
class Stored:
    """The artifact with this SHA-256 is the listener's now."""

    sha256: str


@dataclass(frozen=True, slots=True)
class Refused:
    """Not taken; a key of REFUSALS."""

    reason: str


@dataclass(frozen=True, slots=True)
class Noted:
    """The report with this id is recorded."""

    id: str


Request = Offer | Data | Lost
Reply = At | Stored | Refused | Noted


def encode(message: Request | Reply) -> bytes:
    """The message as the other side parses it, not framed yet. Raises TransferError for a bad field."""
    match message:
        case Offer():
            modified = message.modified.astimezone(UTC).strftime(_TIME_FORMAT)
            return b"OFFER " + _JSON({**asdict(message), "modified": modified}).encode()
        case Data(content):
            if not 0 < len(content) <= MAX_DATA:
                raise TransferError(f"{len(content)} bytes of data")
            return b"DATA " + content
        case Lost():
            return b"LOST " + _JSON(asdict(message)).encode()
        case At(offset):
            return b"AT %d" % offset
        case Stored(sha256):
            return b"STORED " + sha256.encode()
        case Refused(reason):
            return b"REFUSED " + reason.encode()
        case Noted(id):
            return b"NOTED " + id.encode()


def parse_request(message: bytes) -> Request:
    """What the node says. Raises TransferError for anything that is not exactly as above."""
    verb, _, rest = message.partition(b" ")
    if verb == b"DATA":
        if not 0 < len(rest) <= MAX_DATA:
            raise TransferError(f"{len(rest)} bytes of data")
        return Data(rest)
    if verb == b"OFFER":
        document = _parse_json(rest, Offer)
        return Offer(**{**document, "modified": _parse_time(document["modified"])})
    if verb == b"LOST":
        return Lost(**_parse_json(rest, Lost))
    raise TransferError(f"unknown request {verb[:16]!r}")


def parse_reply(message: bytes) -> Reply:
    """What the listener says. Raises TransferError for anything that is not exactly as above."""
    verb, _, rest = message.partition(b" ")
    if verb == b"AT" and _OFFSET.fullmatch(rest):
        return At(int(rest))
    text = rest.decode("ascii", "replace")
    if verb == b"STORED" and _SHA256.fullmatch(text):
        return Stored(text)
    if verb == b"REFUSED" and text in REFUSALS:
        return Refused(text)
    if verb == b"NOTED" and _ID.fullmatch(text):
        return Noted(text)
    raise TransferError(f"unknown reply {message[:MAX_REPLY]!r}")


_Message = TypeVar("_Message", Offer, Lost)


def _parse_json(text: bytes, model: type[_Message]) -> dict[str, Any]:
    """An object with exactly the fields of `model`, each once; values are checked by the model."""
    if len(text) > MAX_JSON:
        raise TransferError(f"{len(text)} bytes of JSON")
    try:
        pairs = json.loads(text, object_pairs_hook=tuple)
    except (ValueError, RecursionError) as error:
        raise TransferError("not JSON") from error
    wanted = [field.name for field in fields(model)]
    if type(pairs) is not tuple or sorted(name for name, _ in pairs) != sorted(wanted):
        raise TransferError(f"not an object with {', '.join(wanted)}")
    return dict(pairs)


def _parse_time(value: object) -> datetime:
    _check_text("modified", value, _TIME)
    try:
        return datetime.strptime(str(value), _TIME_FORMAT).replace(tzinfo=UTC)
    except ValueError as error:
        raise TransferError("modified is not a time") from error


def _check_origin(namespace: object, pod: object, uid: object, container: object) -> None:
    _check_text("namespace", namespace, _LABEL)
    _check_text("pod", pod, _POD)
    _check_text("uid", uid, _UID)
    _check_text("container", container, _LABEL)


def _check_text(field: str, value: object, form: re.Pattern[str]) -> None:
    if type(value) is not str or not form.fullmatch(value):
        raise TransferError(f"{field} is not in its form")


def _check_choice(field: str, value: object, choices: Collection[str]) -> None:
    if type(value) is not str or value not in choices:
        raise TransferError(f"{field} is none of those known")


def _check_number(field: str, value: object, least: int, most: int) -> None:
    if type(value) is not int or not least <= value <= most:
        raise TransferError(f"{field} is not a number from {least} to {most}")
