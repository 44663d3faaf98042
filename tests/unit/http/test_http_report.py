"""Records of nginx become events, whatever is in them."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decnet_events.registry import check_event
from web.report import MalformedRecordError, credentials, parse_record, request_fields


def record(request: bytes, header: bytes = b"", body: bytes = b"") -> str:
    words = ["192.0.2.1", "4711", "1795265870.463", "200", "1", str(len(body))]
    return " ".join([*words, *(part.hex() or "-" for part in (request, header, body))])


@given(st.binary(), st.binary(), st.binary())
def test_any_bytes_are_a_registered_event(request: bytes, header: bytes, body: bytes) -> None:
    parsed = parse_record(record(request, header, body))
    assert check_event("http_request", request_fields(parsed)) == []
    for fields in credentials(parsed):
        assert check_event("credential", fields) == []


@given(st.text())
def test_any_line_is_parsed_or_refused(line: str) -> None:
    with contextlib.suppress(MalformedRecordError):
        parse_record(line)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"log=admin&pwd=a%26b", ("admin", "a&b")),
        (b'{"username": "u", "password": "p"}', ("u", "p")),
        (b"j_username=x&j_password=%ff", ("x", "\\xff")),
        (b"pass=only", ("", "only")),
    ],
)
def test_logins_are_found(body: bytes, expected: tuple[str, str]) -> None:
    [fields] = credentials(parse_record(record(b"POST / HTTP/1.1", body=body)))
    assert (fields["principal"], fields["secret_printable"]) == expected


def test_a_basic_header_is_a_credential() -> None:
    header = b"Host: a\r\nAuthorization: Basic YTpiOmM=\r\n"
    [fields] = credentials(parse_record(record(b"GET / HTTP/1.1", header)))
    assert (fields["principal"], fields["secret_printable"], fields["method"]) == ("a", "b:c", "basic")
