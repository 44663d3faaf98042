"""The little of nftables' netlink protocol that is needed often: who was refused, and did the rules change.

Reading the sets so costs some 50 µs where a run of nft costs 10 ms of CPU, and it is done every
few seconds on every machine of a node. Numbers are from linux/netfilter/nf_tables.h and nfnetlink.h.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator

_NETLINK_NETFILTER = 12
_SOL_NETLINK = 270
_ADD_MEMBERSHIP = 1
_GROUP_NFTABLES = 7

_NFTABLES = 10 << 8
_GET_SET_ELEMENTS = _NFTABLES | 13
_GET_OBJECT = _NFTABLES | 19
_NFPROTO_INET = 1
_OBJECT_COUNTER = 1

_REQUEST = 1
_ACK = 4
_DUMP = 0x300
_ERROR = 2
_DONE = 3

_HEADER = struct.Struct("=IHHII")
_NFGEN = struct.Struct("!BBH")
_ATTRIBUTE = struct.Struct("=HH")
_TYPE_MASK = 0x3FFF
_BUFFER = 64 * 1024  # over the largest message that the kernel makes


def read_refused(table: str, name: str, *, key_size: int) -> Iterator[tuple[bytes, int]]:
    """Key and packet count of each element of a set with counters, in `inet table`.

    A concatenated key is its parts, each padded to four bytes. Raises OSError (ENOENT without such a
    set).
    """
    asked = _attribute(1, table.encode() + b"\0") + _attribute(2, name.encode() + b"\0")
    for payload in _ask(_GET_SET_ELEMENTS, _REQUEST | _DUMP, asked):
        elements = _attributes(payload).get(3, b"")
        for _, element in _each(elements):
            parts = _attributes(element)
            key = _attributes(parts.get(1, b"")).get(1, b"")
            expression = _attributes(parts.get(7, b""))
            if len(key) == key_size and expression.get(1) == b"counter\0":
                yield key, _packets(expression.get(2, b""))


def read_counter(table: str, name: str) -> int:
    """Packets of a named counter in `inet table`. Raises OSError (ENOENT without one)."""
    asked = (
        _attribute(1, table.encode() + b"\0")
        + _attribute(2, name.encode() + b"\0")
        + _attribute(3, struct.pack("!I", _OBJECT_COUNTER))
    )
    return sum(
        _packets(_attributes(payload).get(4, b"")) for payload in _ask(_GET_OBJECT, _REQUEST | _ACK, asked)
    )


def subscribe() -> socket.socket:
    """A non-blocking socket that becomes readable when a rule in this network namespace changes.

    What the packet path adds to sets is not announced, so refused packets wake nobody.
    """
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_NETFILTER)
    sock.bind((0, 0))
    sock.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, _GROUP_NFTABLES)
    sock.setblocking(False)
    return sock


def drain(sock: socket.socket) -> None:
    """Forget what has been announced so far, lost announcements (ENOBUFS) included."""
    while True:
        try:
            sock.recv(_BUFFER)
        except BlockingIOError:
            return
        except OSError:
            continue


def _ask(kind: int, flags: int, attributes: bytes) -> Iterator[bytes]:
    """The attributes of each message of the answer. Raises OSError when the kernel says so."""
    body = _NFGEN.pack(_NFPROTO_INET, 0, 0) + attributes
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_NETFILTER) as sock:
        sock.bind((0, 0))
        sock.settimeout(5)
        sock.send(_HEADER.pack(_HEADER.size + len(body), kind, flags, 1, 0) + body)
        while True:
            data = sock.recv(_BUFFER)
            for message, payload in _messages(data):
                if message == _DONE:
                    return
                if message == _ERROR:
                    (code,) = struct.unpack_from("=i", payload)
                    if code:
                        raise OSError(-code, "nftables does not answer")
                    return
                yield payload[_NFGEN.size :]


def _messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + _HEADER.size <= len(data):
        length, kind, _, _, _ = _HEADER.unpack_from(data, at)
        if length < _HEADER.size:
            return
        yield kind, data[at + _HEADER.size : at + length]
        at += (length + 3) & ~3


def _each(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, at)
        if length < _ATTRIBUTE.size:
            return
        yield kind & _TYPE_MASK, data[at + _ATTRIBUTE.size : at + length]
        at += (length + 3) & ~3


def _attributes(data: bytes) -> dict[int, bytes]:
    return dict(_each(data))


def _attribute(kind: int, value: bytes) -> bytes:
    length = _ATTRIBUTE.size + len(value)
    return _ATTRIBUTE.pack(length, kind) + value + b"\0" * (-length % 4)


def _packets(counter: bytes) -> int:
    value = _attributes(counter).get(2, b"")
    return int.from_bytes(value, "big")
