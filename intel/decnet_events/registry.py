"""Every event that a service, the persona or the node may write.

A line whose id is not here is still kept, but an emitter of ours that writes one fails a test.
docs/events.md is generated from this table.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class FieldType(StrEnum):
    """How the text of a field is to be read."""

    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    ADDRESS = "address"
    BASE64 = "base64"
    JSON = "json"
    BOOLEAN = "boolean"


@dataclass(frozen=True, slots=True)
class Field:
    """One parameter of an event: its name, how to read it, what it means."""

    name: str
    type: FieldType
    meaning: str
    required: bool = True


@dataclass(frozen=True, slots=True)
class EventType:
    """One event id, what it says, and the fields that come with it."""

    id: str
    meaning: str
    fields: tuple[Field, ...]


def _text(name: str, meaning: str, *, required: bool = True) -> Field:
    return Field(name, FieldType.TEXT, meaning, required)


def _integer(name: str, meaning: str, *, required: bool = True) -> Field:
    return Field(name, FieldType.INTEGER, meaning, required)


_SOURCE = (
    Field("src_ip", FieldType.ADDRESS, "address of the other side"),
    _integer("src_port", "its port"),
)
_MAYBE_SOURCE = (
    Field("src_ip", FieldType.ADDRESS, "address of the other side, when it can be told", required=False),
    _integer("src_port", "its port", required=False),
)
_SESSION = _text("session", "identifier of the login session, unique on the machine")
_MAYBE_SESSION = _text("session", "identifier of the session that this belongs to", required=False)
_CREDENTIAL = (
    _text("principal", "account name as given"),
    _text("secret_printable", "the secret, undecodable bytes as \\xNN"),
    Field("secret_b64", FieldType.BASE64, "the secret's bytes"),
    _text("secret_kind", "what the bytes are: plaintext, ntlmv2, …"),
)

_EVENTS = (
    EventType(
        "connect",
        "A client opened a connection.",
        (*_SOURCE, _MAYBE_SESSION, _integer("dst_port", "port it came to", required=False)),
    ),
    EventType(
        "disconnect",
        "A client's connection ended.",
        (*_SOURCE, _MAYBE_SESSION, _text("reason", "why, where known", required=False)),
    ),
    EventType(
        "client_version",
        "The client named its software.",
        (*_SOURCE, _MAYBE_SESSION, _text("version", "as sent")),
    ),
    EventType(
        "credential",
        "A client offered a name and a secret.",
        (
            *_SOURCE,
            _MAYBE_SESSION,
            *_CREDENTIAL,
            _text("outcome", "accepted or refused"),
            _text("method", "how it was offered: password, basic, form, …"),
        ),
    ),
    EventType(
        "public_key",
        "A client offered a public key.",
        (
            *_SOURCE,
            _MAYBE_SESSION,
            _text("principal", "account name as given"),
            _text("key_type", "algorithm, such as ssh-ed25519"),
            _text("fingerprint", "SHA256:… as OpenSSH prints it"),
            Field("key_b64", FieldType.BASE64, "the public key blob", required=False),
        ),
    ),
    EventType(
        "session_opened",
        "A login succeeded and a session began.",
        (
            *_SOURCE,
            _SESSION,
            _text("principal", "account name"),
            _text("terminal", "terminal name, empty without one", required=False),
        ),
    ),
    EventType(
        "session_closed",
        "A login session ended.",
        (*_SOURCE, _SESSION, Field("duration", FieldType.NUMBER, "seconds", required=False)),
    ),
    EventType(
        "command",
        "A command line was entered in a session.",
        (
            *_SOURCE,
            _SESSION,
            _text("principal", "account name"),
            _text("command", "the line"),
            _text("how", "exec, shell or subsystem"),
        ),
    ),
    EventType(
        "hidden_input",
        "A line was typed while the terminal did not echo, as at a password prompt.",
        (*_SOURCE, _SESSION, _text("principal", "account name"), _text("input", "the line")),
    ),
    EventType(
        "forward_request",
        "A client asked for a port to be forwarded.",
        (
            *_SOURCE,
            _MAYBE_SESSION,
            _text("direction", "local or remote"),
            _text("host", "target host, or a socket's path"),
            _integer("port", "target port, 0 for a socket"),
        ),
    ),
    EventType(
        "file_captured",
        "A file that was written on the machine was copied.",
        (
            *_MAYBE_SOURCE,
            _MAYBE_SESSION,
            _text("path", "where it was written"),
            _integer("size", "bytes looked at"),
            _text("sha256", "of these bytes, hexadecimal"),
            _text("stored_as", "name of the copy; missing when there was no room for one", required=False),
            Field("cut", FieldType.BOOLEAN, "1 when the file is longer than what was looked at"),
            _integer("owner", "user id of its owner", required=False),
            _text("mode", "its permissions, octal", required=False),
        ),
    ),
    EventType(
        "recording_dropped",
        "Something that should have been recorded is missing.",
        (
            *_MAYBE_SOURCE,
            _MAYBE_SESSION,
            _text(
                "reason",
                "rate (came faster than it was taken), budget (the middle of a long session), spool (oldest "
                "finished ones made way), disk (no room), deleted or foreign (somebody tampered with the "
                "spool), room (too many sessions), files (too many were written at once), directories (not "
                "all can be watched)",
            ),
            _integer("bytes", "how much, 0 where unknown or where all could be saved"),
            _text("name", "what it was stored as", required=False),
        ),
    ),
    EventType(
        "daemon_log",
        "A line that the service's own daemon logged.",
        (
            _text("program", "who logged it", required=False),
            Field("src_ip", FieldType.ADDRESS, "address found in the line", required=False),
            _integer("src_port", "port found in the line", required=False),
        ),
    ),
    EventType(
        "http_request",
        "An HTTP request was answered.",
        (
            *_SOURCE,
            _text("method", "as sent"),
            _text("path", "request target as sent"),
            _text("protocol", "such as HTTP/1.1"),
            _integer("status", "status answered"),
            _text("host", "Host header", required=False),
            _text("user_agent", "User-Agent header", required=False),
            Field(
                "headers",
                FieldType.JSON,
                "request headers as sent: an array of [name, value]",
                required=False,
            ),
            Field("body_b64", FieldType.BASE64, "request body, cut at the cap", required=False),
            _integer("body_size", "bytes of body received", required=False),
        ),
    ),
    EventType(
        "artifact_stored",
        "A captured file or a recording of a session is kept, whole and verified.",
        (
            _text("sha256", "of the content, lower-case hex; by it the content is downloaded"),
            _integer("size", "bytes"),
            _text("name", "as the service called it"),
            _text("kind", "session or file"),
            Field("cut", FieldType.BOOLEAN, "true when there was more than could be kept"),
        ),
    ),
    EventType(
        "artifact_lost",
        "Captured files or recordings of sessions that will never come.",
        (
            _text("reason", "why: a key of LOSSES in decnet_events/transfer.py, such as quota or backlog"),
            _text("kind", "session or file"),
            _integer("bytes", "what is known of their size"),
            _integer("count", "how many"),
            _text("name", "as the service called it, when it is one", required=False),
        ),
    ),
    EventType(
        "service_started",
        "The service is ready for clients.",
        (_text("version", "what it claims to be", required=False),),
    ),
    EventType(
        "disguise_on",
        "The network disguise holds and the containment rules are in force.",
        (
            Field("address", FieldType.ADDRESS, "the machine's address"),
            _text("egress", "deny, or off when a test switched containment off", required=False),
        ),
    ),
    EventType(
        "containment_restored",
        "The rules that contain the machine were not as loaded, and have been put back.",
        (_text("reason", "removed or changed"),),
    ),
    EventType(
        "disguise_failed",
        "The network disguise could not be put on; the machine stays silent.",
        (_text("reason", "what failed"),),
    ),
    EventType(
        "address_conflict",
        "Another machine answers for the address.",
        (
            Field("address", FieldType.ADDRESS, "the address"),
            _text("mac", "who answers"),
        ),
    ),
    EventType(
        "suppressed",
        "Lines of one kind were withheld on the node and are only counted here.",
        (
            _text(
                "reason", "window: all but the first of a few seconds; app_name: the program is not wanted"
            ),
            _text("event", "their event id, for window", required=False),
            Field("src_ip", FieldType.ADDRESS, "the other side they have in common", required=False),
            _text("app", "program that wrote the first of them"),
            _integer("count", "how many"),
            _text("first", "when the runtime wrote the first, RFC 3339"),
            _text("last", "when it wrote the last"),
        ),
    ),
    EventType(
        "egress_refused",
        "Something on the machine tried to open a connection outwards and was stopped.",
        (
            Field("dst_ip", FieldType.ADDRESS, "where to"),
            _integer("dst_port", "port, 0 where the protocol has none or too many were tried"),
            _text(
                "protocol", "tcp, udp, icmp or a number; any, with address 0.0.0.0, when too many were tried"
            ),
            _integer("attempts", "packets stopped since the last report"),
        ),
    ),
)

EVENTS: dict[str, EventType] = {event.id: event for event in _EVENTS}


def check_event(event_id: str, fields: dict[str, str]) -> list[str]:
    """What is wrong with an event of ours, as sentences; empty when it fits the registry."""
    event = EVENTS.get(event_id)
    if event is None:
        return [f"event id {event_id!r} is not registered"]
    known = {field.name for field in event.fields}
    missing = [f.name for f in event.fields if f.required and f.name not in fields]
    return [
        *(f"{event_id}: field {name!r} is not registered" for name in fields if name not in known),
        *(f"{event_id}: required field {name!r} is missing" for name in missing),
    ]
