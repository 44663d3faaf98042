"""Turns nginx's record lines into events on standard output."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import parse_qsl

from relay.credential import credential_fields
from relay.emitter import write_line
from relay.rfc5424 import Line
from web.settings import Settings

USER_FIELDS = ("log", "pma_username", "j_username", "username", "user", "login", "email", "userid", "name")
SECRET_FIELDS = ("pwd", "pma_password", "j_password", "password", "passwd", "pass", "secret")
MAX_FORM_FIELDS = 64
REFUSED = "refused"
_WORDS = 9


class MalformedRecordError(ValueError):
    """nginx's record is not one; the message says why."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request as nginx saw it; `headers` in the order and case in which they came."""

    src_ip: str
    src_port: str
    when: datetime
    status: str
    size: int
    method: str
    target: str
    protocol: str
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str:
        """The first value of header `name`, empty when it was not sent."""
        return next((value for key, value in self.headers if key.lower() == name), "")


def parse_record(line: str) -> Request:
    """The request in a line of record.lua. Raises MalformedRecordError."""
    words = line.split(" ")
    if len(words) != _WORDS:
        raise MalformedRecordError(f"{len(words)} words instead of {_WORDS}")
    try:
        first, block, body = (b"" if word == "-" else bytes.fromhex(word) for word in words[6:])
        when = datetime.fromtimestamp(float(words[2]), UTC)
        size = int(words[5])
    except ValueError as error:
        raise MalformedRecordError(str(error)) from error
    parts = _text(first).split(" ", 1)
    target, _, protocol = parts[1].rpartition(" ") if len(parts) > 1 else ("", "", "")
    if not protocol.startswith("HTTP/"):
        target, protocol = (parts[1] if len(parts) > 1 else ""), ""
    return Request(
        src_ip=words[0],
        src_port=words[1],
        when=when,
        status=words[3],
        size=size,
        method=parts[0],
        target=target,
        protocol=protocol,
        headers=list(_headers(block)),
        body=body,
    )


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "backslashreplace")


def _headers(block: bytes) -> Iterator[tuple[str, str]]:
    for line in block.replace(b"\r", b"").split(b"\n"):
        name, colon, value = line.partition(b":")
        if colon:
            yield _text(name), _text(value.strip())


def request_fields(request: Request) -> dict[str, str]:
    """Fields of the `http_request` event."""
    fields = {
        "src_ip": request.src_ip,
        "src_port": request.src_port,
        "method": request.method,
        "path": request.target,
        "protocol": request.protocol,
        "status": request.status,
        "host": request.header("host"),
        "user_agent": request.header("user-agent"),
        "headers": json.dumps(request.headers),
    }
    if request.size:
        fields["body_b64"] = base64.b64encode(request.body).decode("ascii")
        fields["body_size"] = str(request.size)
    return fields


def credentials(request: Request) -> Iterator[dict[str, str]]:
    """Fields of a `credential` event for each name and secret in the request."""
    source = {"src_ip": request.src_ip, "src_port": request.src_port, "outcome": REFUSED}
    scheme, _, token = request.header("authorization").partition(" ")
    if scheme.lower() == "basic":
        try:
            name, _, secret = base64.b64decode(token, validate=True).partition(b":")
        except ValueError:
            name, secret = b"", token.encode("utf-8", "backslashreplace")
        yield {**source, **credential_fields(_text(name), secret, "plaintext"), "method": "basic"}
    form = _form(request)
    secret_field = next((field for field in SECRET_FIELDS if field in form), None)
    if secret_field:
        user = next((form[field] for field in USER_FIELDS if field in form), "")
        secret = form[secret_field].encode("utf-8", "surrogateescape")
        user = user.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        yield {**source, **credential_fields(user, secret, "plaintext"), "method": "form"}


def _form(request: Request) -> dict[str, str]:
    if request.method != "POST" or not request.body:
        return {}
    if request.body.lstrip().startswith(b"{"):
        try:
            values = json.loads(request.body)
        except (ValueError, RecursionError):
            return {}
        return {str(k).lower(): str(v) for k, v in values.items() if isinstance(v, str | int)}
    try:
        pairs = parse_qsl(
            request.body.decode("latin-1"),
            keep_blank_values=True,
            errors="surrogateescape",
            max_num_fields=MAX_FORM_FIELDS,
        )
    except ValueError:
        return {}
    return {key.lower(): value for key, value in pairs}


class Reporter:
    """Writes events as lines on standard output, each at once and whole."""

    def __init__(self, settings: Settings) -> None:
        self._hostname = settings.hostname

    def record(self, line: str) -> None:
        """Report the request in one line of record.lua."""
        try:
            request = parse_record(line)
        except MalformedRecordError as error:
            self.emit("daemon_log", {"program": "nginx"}, message=f"unreadable record: {error}")
            return
        self.emit("http_request", request_fields(request), request.when)
        for fields in credentials(request):
            self.emit("credential", fields, request.when)

    def emit(
        self, event: str, fields: dict[str, str], when: datetime | None = None, message: str = ""
    ) -> None:
        """Write one event, of the time `when` or now."""
        write_line(
            Line(
                hostname=self._hostname,
                app_name="http",
                msg_id=event,
                fields=fields,
                message=message,
                timestamp=when or datetime.now(UTC),
            )
        )
