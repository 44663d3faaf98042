"""The messages in which captured files travel."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decnet_events.transfer import (
    KINDS,
    LOSSES,
    MAX_ARTIFACT,
    MAX_DATA,
    MAX_JSON,
    MAX_REPLY,
    MAX_REQUEST,
    REFUSALS,
    At,
    Data,
    Lost,
    Noted,
    Offer,
    Refused,
    Reply,
    Request,
    Stored,
    TransferError,
    encode,
    is_name,
    kind_of,
    parse_reply,
    parse_request,
)

_HEX64 = st.text("0123456789abcdef", min_size=64, max_size=64)
_HEX32 = st.text("0123456789abcdef", min_size=32, max_size=32)
_DNS = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", fullmatch=True)
_NAMES = st.from_regex(r"[a-z0-9][A-Za-z0-9._-]{0,127}", fullmatch=True)
_OFFERS = st.builds(
    Offer,
    sha256=_HEX64,
    size=st.integers(0, MAX_ARTIFACT),
    namespace=_DNS,
    pod=_DNS,
    uid=_DNS,
    container=_DNS,
    name=_NAMES,
    kind=st.sampled_from(KINDS),
    modified=st.datetimes(datetime(1970, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - the strategy adds it
    cut=st.booleans(),
)
_LOST = st.builds(
    Lost,
    id=_HEX32,
    namespace=_DNS,
    pod=_DNS,
    uid=_DNS,
    container=_DNS,
    name=_NAMES | st.just(""),
    kind=st.sampled_from(KINDS),
    bytes=st.integers(0, 2**63 - 1),
    count=st.integers(1, 2**31 - 1),
    reason=st.sampled_from(sorted(LOSSES)),
)
_REQUESTS = _OFFERS | _LOST | st.builds(Data, content=st.binary(min_size=1, max_size=200))
_REPLIES = (
    st.builds(At, offset=st.integers(0, 10**18 - 1))
    | st.builds(Stored, sha256=_HEX64)
    | st.builds(Refused, reason=st.sampled_from(sorted(REFUSALS)))
    | st.builds(Noted, id=_HEX32)
)

OFFER = Offer(
    "0" * 64,
    5,
    "decnet",
    "web-01",
    "11-22",
    "ssh",
    "file-a-1",
    "file",
    datetime(2026, 1, 2, tzinfo=UTC),
    False,
)
LOST = Lost("0" * 32, "decnet", "web-01", "11-22", "ssh", "", "file", 7, 3, "backlog")


@given(_REQUESTS)
def test_requests_are_parsed_as_they_were_written(request_: Request) -> None:
    message = encode(request_)
    assert len(message) <= MAX_REQUEST
    assert parse_request(message) == request_


@given(_REPLIES)
def test_replies_are_parsed_as_they_were_written(reply: Reply) -> None:
    message = encode(reply)
    assert len(message) <= MAX_REPLY
    assert parse_reply(message) == reply


@given(st.binary(max_size=300) | st.binary(max_size=300).map(lambda it: b"OFFER {" + it))
def test_garbage_is_refused_and_nothing_else(garbage: bytes) -> None:
    for parse in (parse_request, parse_reply):
        try:
            message: Request | Reply = parse(garbage)
        except TransferError:
            continue
        assert encode(message) == garbage


def _document(message: Offer | Lost) -> dict[str, Any]:
    return dict(json.loads(encode(message).split(b" ", 1)[1]))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("sha256", "A" * 64),
        ("sha256", "0" * 63),
        ("sha256", None),
        ("size", -1),
        ("size", MAX_ARTIFACT + 1),
        ("size", 1.0),
        ("size", True),
        ("name", ""),
        ("name", "."),
        ("name", ".."),
        ("name", "../etc"),
        ("name", "a/b"),
        ("name", "a\0b"),
        ("name", "a\n"),
        ("name", ".a.part"),
        ("name", "a" * 129),
        ("name", "\u0661"),
        ("namespace", "../x"),
        ("pod", "-"),
        ("pod", "a/b"),
        ("uid", ".."),
        ("container", "a.b"),
        ("kind", "device"),
        ("kind", ["file"]),
        ("modified", "2026-01-01"),
        ("modified", "2026-13-01T00:00:00.000000Z"),
        ("modified", 5),
        ("cut", 1),
        ("cut", None),
    ],
)
def test_an_offer_with_a_bad_field_is_refused(field: str, value: object) -> None:
    document = {**_document(OFFER), field: value}
    with pytest.raises(TransferError):
        parse_request(b"OFFER " + json.dumps(document).encode())


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", "0" * 31),
        ("id", "../" + "0" * 29),
        ("bytes", -1),
        ("bytes", 2**63),
        ("count", 0),
        ("count", 2**31),
        ("reason", "because"),
        ("reason", {}),
        ("name", None),
        ("name", 0),
        ("name", "a b"),
    ],
)
def test_a_loss_with_a_bad_field_is_refused(field: str, value: object) -> None:
    document = {**_document(LOST), field: value}
    with pytest.raises(TransferError):
        parse_request(b"LOST " + json.dumps(document).encode())


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"DATA ",
        b"DATA",
        b"DATA " + b"x" * (MAX_DATA + 1),
        b"OFFER [1]",
        b"OFFER null",
        b"OFFER {}",
        b"OFFER " + b"[" * 3000,
        b'OFFER {"size":' + b"9" * 4000 + b"}",
        b"OFFER " + b" " * MAX_JSON + b"{}",
        b"OFFER \xff",
        b"offer {}",
        encode(OFFER) + b" {}",
        encode(OFFER).replace(b'"cut":false', b'"cut":false,"more":1'),
        encode(OFFER).replace(b'"cut":false', b'"cut":false,"cut":false'),
        encode(OFFER).replace(b'"size":5', b'"size":NaN'),
    ],
)
def test_a_malformed_request_is_refused(message: bytes) -> None:
    with pytest.raises(TransferError):
        parse_request(message)


@pytest.mark.parametrize(
    "message",
    [
        b"AT",
        b"AT -1",
        b"AT 01",
        b"AT 1 ",
        b"AT " + b"9" * 19,
        b"STORED x",
        b"REFUSED why",
        b"NOTED 1",
        b"at 1",
    ],
)
def test_a_malformed_reply_is_refused(message: bytes) -> None:
    with pytest.raises(TransferError):
        parse_reply(message)


def test_a_bad_message_cannot_be_made() -> None:
    with pytest.raises(TransferError):
        dataclasses.replace(OFFER, name="../x")
    with pytest.raises(TransferError):
        encode(Data(b""))


def test_names() -> None:
    assert is_name("session-a1-0001.cast")
    assert not is_name(".session-a1-0001.cast.part")
    assert kind_of("session-a1-0001.cast") == "session"
    assert kind_of("file-none-1") == "file"
