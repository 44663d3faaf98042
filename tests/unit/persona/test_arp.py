"""ARP frames: how ours look, which are a conflict, and that the kernel's filter and we agree."""

from __future__ import annotations

import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.l2 import ARP  # type: ignore[import-untyped]

from persona.arp import Frame, build_request, filter_program, is_conflict, parse_frame

MAC = bytes.fromhex("00155d010203")
OTHER = bytes.fromhex("020000000001")
OURS = socket.inet_aton("10.77.0.10")
THEIRS = socket.inet_aton("10.77.0.20")
NOBODY = bytes(4)


def test_a_probe_is_what_the_rfc_asks_for() -> None:
    frame = ARP(build_request(MAC, NOBODY, OURS))
    assert (frame.op, frame.hwsrc, frame.psrc) == (1, "00:15:5d:01:02:03", socket.inet_ntoa(NOBODY))
    assert (frame.hwdst, frame.pdst) == ("00:00:00:00:00:00", "10.77.0.10")
    assert (frame.hwtype, frame.ptype, frame.hwlen, frame.plen) == (1, 0x0800, 6, 4)


def test_frames_are_parsed() -> None:
    raw = bytes(ARP(op=2, hwsrc="02:00:00:00:00:01", psrc="10.77.0.10", pdst="10.77.0.20"))
    assert parse_frame(raw + b"\0" * 18) == Frame(2, OTHER, OURS, THEIRS)
    assert parse_frame(raw[:27]) is None
    assert parse_frame(b"\0\6" + raw[2:]) is None  # token ring


CASES = [
    ("another machine answers", Frame(2, OTHER, OURS, NOBODY), True, True),
    ("another machine asks with our address", Frame(1, OTHER, OURS, THEIRS), True, True),
    ("another machine probes for our address", Frame(1, OTHER, NOBODY, OURS), True, False),
    ("an answer to a probe for our address", Frame(2, OTHER, NOBODY, OURS), False, False),
    ("another machine asks for us", Frame(1, OTHER, THEIRS, OURS), False, False),
    ("another machine probes for another address", Frame(1, OTHER, NOBODY, THEIRS), False, False),
    ("our own probe comes back", Frame(1, MAC, NOBODY, OURS), False, False),
    ("our own announcement comes back", Frame(1, MAC, OURS, OURS), False, False),
]


@pytest.mark.parametrize(
    ("frame", "probing", "later"), [case[1:] for case in CASES], ids=[c[0] for c in CASES]
)
def test_conflicts(frame: Frame, probing: bool, later: bool) -> None:
    assert is_conflict(frame, MAC, OURS, probing=True) is probing
    assert is_conflict(frame, MAC, OURS, probing=False) is later


def run_filter(program: list[tuple[int, int, int, int]], packet: bytes) -> int:
    """Classic BPF, the four instructions that are used."""
    accumulator = at = 0
    while True:
        code, if_true, if_false, k = program[at]
        at += 1
        if code == 0x20:
            (accumulator,) = struct.unpack_from("!I", packet, k)
        elif code == 0x28:
            (accumulator,) = struct.unpack_from("!H", packet, k)
        elif code == 0x15:
            at += if_true if accumulator == k else if_false
        else:
            assert code == 0x06
            return k


MACS = st.sampled_from([MAC, OTHER, MAC[:4] + OTHER[4:], OTHER[:4] + MAC[4:]])
ADDRESSES = st.sampled_from([OURS, THEIRS, NOBODY])


@given(mac=MACS, sender=ADDRESSES, target=ADDRESSES, operation=st.sampled_from([1, 2]))
def test_the_filter_lets_every_conflict_through(
    mac: bytes, sender: bytes, target: bytes, operation: int
) -> None:
    raw = struct.pack("!HHBBH6s4s6s4s", 1, 0x0800, 6, 4, operation, mac, sender, bytes(6), target)
    frame = parse_frame(raw)
    assert frame
    passed = run_filter(filter_program(MAC, OURS), raw)
    conflict = is_conflict(frame, MAC, OURS, probing=True)
    assert bool(passed) >= conflict
    if mac == MAC or (sender, target) == (THEIRS, OURS):
        assert not passed, "our own frames and questions for us wake nobody"
