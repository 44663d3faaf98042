"""Whether another machine uses our address (RFC 5227), now and later.

Sockets of this family see and send frames before and behind the ARP rules of `ruleset.py`, so the probe works
while the kernel itself is kept from answering for the address.
"""

from __future__ import annotations

import array
import contextlib
import errno
import socket
import struct
import time
from typing import NamedTuple

from .failure import AddressConflictError
from .settings import Settings

PROBES = 3  # RFC 5227 PROBE_NUM
PROBE_INTERVAL = 0.1
"""Seconds between probes; the RFC's 1 to 2 s are for slow links, and a machine that boots for 6 s is late."""
PROBE_WAIT = 0.2
"""Seconds to listen after the last probe."""

_ETH_P_ARP = 0x0806
_BROADCAST = b"\xff" * 6
_NOBODY = b"\0" * 4
_FRAME = struct.Struct("!HHBBH6s4s6s4s")
_REQUEST = 1
_SO_ATTACH_FILTER = 26

# Classic BPF, as in linux/filter.h.
_LOAD_WORD, _LOAD_HALF, _JUMP_EQUAL, _RETURN = 0x20, 0x28, 0x15, 0x06
_Instruction = tuple[int, int, int, int]


class Frame(NamedTuple):
    """The parts of an ARP frame that matter here. Addresses are in wire order."""

    operation: int
    sender_mac: bytes
    sender_ip: bytes
    target_ip: bytes


def build_request(mac: bytes, sender_ip: bytes, target_ip: bytes) -> bytes:
    """An ARP request; with `sender_ip` all zero it is a probe, with both alike an announcement."""
    return _FRAME.pack(1, 0x0800, 6, 4, _REQUEST, mac, sender_ip, b"\0" * 6, target_ip)


def parse_frame(data: bytes) -> Frame | None:
    """The frame in `data`, or None when it is not ARP for IPv4 over Ethernet."""
    if len(data) < _FRAME.size:
        return None
    hardware, protocol, hardware_size, size, operation, mac, sender, _, target = _FRAME.unpack_from(data)
    if (hardware, protocol, hardware_size, size) != (1, 0x0800, 6, 4):
        return None
    return Frame(operation, mac, sender, target)


def is_conflict(frame: Frame, mac: bytes, address: bytes, *, probing: bool) -> bool:
    """Whether `frame` is of another machine that uses `address`.

    While we are `probing`, one that probes for the same address is a conflict too (RFC 5227
    section 2.1.1); later it only asks, and our kernel's answer tells it.
    """
    if frame.sender_mac == mac:
        return False
    if frame.sender_ip == address:
        return True
    asks = frame.operation == _REQUEST and frame.sender_ip == _NOBODY and frame.target_ip == address
    return probing and asks


def filter_program(mac: bytes, address: bytes) -> list[_Instruction]:
    """Classic BPF for what `is_conflict` may call one, so that a scan of the LAN wakes nobody."""
    mac_head, mac_tail = struct.unpack("!IH", mac)
    (ip,) = struct.unpack("!I", address)
    return [
        (_LOAD_WORD, 0, 0, 8),
        (_JUMP_EQUAL, 0, 2, mac_head),
        (_LOAD_HALF, 0, 0, 12),
        (_JUMP_EQUAL, 5, 0, mac_tail),  # our own
        (_LOAD_WORD, 0, 0, 14),
        (_JUMP_EQUAL, 4, 0, ip),
        (_JUMP_EQUAL, 0, 2, 0),  # a probe
        (_LOAD_WORD, 0, 0, 24),
        (_JUMP_EQUAL, 1, 0, ip),
        (_RETURN, 0, 0, 0),
        (_RETURN, 0, 0, 0xFFFF),
    ]


class ArpSocket:
    """ARP on one interface, for one address of ours. Needs CAP_NET_RAW."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._mac = bytes.fromhex(settings.mac.replace(":", ""))
        self._address = socket.inet_aton(settings.address)
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ETH_P_ARP))
        _attach_filter(self.socket, filter_program(self._mac, self._address))
        self.socket.bind((settings.interface, _ETH_P_ARP))

    def require_unused(self) -> None:
        """Probe for the address; takes PROBES * PROBE_INTERVAL + PROBE_WAIT seconds at most.

        Raises AddressConflictError as soon as somebody answers, OSError when the interface goes away.
        """
        for number in range(PROBES):
            self._send(_NOBODY)
            wait = PROBE_INTERVAL if number < PROBES - 1 else PROBE_WAIT
            mac = self._conflicting_mac(wait, probing=True)
            if mac:
                raise AddressConflictError(self._settings.address, mac)

    def announce(self) -> None:
        """Tell the LAN whose the address is, so that caches of a former owner are corrected."""
        self._send(self._address)

    def conflict(self) -> str:
        """The MAC of another machine that has just claimed the address, or an empty string."""
        return self._conflicting_mac(0, probing=False)

    def forget(self) -> None:
        """Drop the frames that wait in the socket's buffer."""
        self.socket.settimeout(0)
        with contextlib.suppress(BlockingIOError):
            while True:
                self.socket.recv(128)

    def _send(self, sender_ip: bytes) -> None:
        frame = build_request(self._mac, sender_ip, self._address)
        to = (self._settings.interface, _ETH_P_ARP, 0, 0, _BROADCAST)
        try:
            self.socket.sendto(frame, to)
        except OSError as error:
            if error.errno != errno.ENOBUFS:  # a full queue loses a probe, as the wire may
                raise

    def _conflicting_mac(self, seconds: float, *, probing: bool) -> str:
        end = time.monotonic() + seconds
        while True:
            self.socket.settimeout(max(end - time.monotonic(), 0))
            try:
                data = self.socket.recv(128)
            except (TimeoutError, BlockingIOError):
                return ""
            frame = parse_frame(data)
            if frame and is_conflict(frame, self._mac, self._address, probing=probing):
                return frame.sender_mac.hex(":")


def _attach_filter(sock: socket.socket, program: list[_Instruction]) -> None:
    code = array.array("B", b"".join(struct.pack("HBBI", *instruction) for instruction in program))
    address, _ = code.buffer_info()
    sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HxxxxxxQ", len(program), address))
