"""Runs inside a network namespace: one JSON command a line on stdin, one JSON answer a line on stdout."""

from __future__ import annotations

import errno
import json
import os
import select
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable

_ETH_P_ALL = 3


def serve(address: str) -> bool:
    """TCP echo on 80, UDP echo on 53 (also for broadcasts), UDP on 69 that answers from another port."""

    def tcp() -> None:
        server = socket.create_server((address, 80))
        while True:
            peer, _ = server.accept()
            peer.sendall(peer.recv(65536))
            peer.close()

    def udp(bind: str, port: int, *, other: bool) -> None:
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((bind, port))
        while True:
            data, peer = server.recvfrom(65536)
            answerer = server
            if other or bind != address:
                answerer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                answerer.bind((address, 0))
            answerer.sendto(data, peer)

    threading.Thread(target=tcp, daemon=True).start()
    threading.Thread(target=udp, args=(address, 53), kwargs={"other": False}, daemon=True).start()
    threading.Thread(target=udp, args=(address, 69), kwargs={"other": True}, daemon=True).start()
    threading.Thread(
        target=udp, args=(address.rsplit(".", 1)[0] + ".255", 137), kwargs={"other": False}, daemon=True
    ).start()
    time.sleep(0.2)
    return True


def tcp(address: str, port: int = 80) -> str:
    """`echo`, `refused` or `nothing`."""
    try:
        with socket.create_connection((address, port), timeout=0.5) as connection:
            connection.sendall(b"hello" * 1000)
            return "echo" if connection.recv(5) == b"hello" else "nothing"
    except ConnectionRefusedError:
        return "refused"
    except OSError:
        return "nothing"


def udp(address: str, port: int, size: int = 100, connected: bool = False) -> str:
    """`echo`, `refused` (only when connected) or `nothing`."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as asker:
        asker.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        asker.settimeout(0.5)
        try:
            if connected:
                asker.connect((address, port))
                asker.send(b"x" * size)
            else:
                asker.sendto(b"x" * size, (address, port))
            return "echo" if len(asker.recv(65536)) == size else "nothing"
        except ConnectionRefusedError:
            return "refused"
        except OSError:
            return "nothing"


def ping(address: str, size: int = 56) -> bool:
    """Whether one echo request is answered."""
    six = ":" in address
    kind, answer, protocol = (128, 129, socket.IPPROTO_ICMPV6) if six else (8, 0, socket.IPPROTO_ICMP)
    body = os.urandom(size)
    request = struct.pack("!BBHHH", kind, 0, 0, os.getpid() & 0xFFFF, 1) + body
    request = request[:2] + struct.pack("!H", _checksum(request)) + request[4:]
    with socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_RAW, protocol) as raw:
        deadline = time.monotonic() + 1
        try:
            raw.sendto(request, (address, 0))
            while (rest := deadline - time.monotonic()) > 0:
                raw.settimeout(rest)
                reply = raw.recv(65536)[0 if six else 20 :]
                if reply[0] == answer and reply[8:] == body:
                    return True
        except OSError:
            return False
    return False


def _checksum(data: bytes) -> int:
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF


def send(interface: str, frame: str, protocol: int) -> bool:
    """Send a raw frame and tell the kernel that it is `protocol`, whatever it contains.

    False when the kernel says at once that it was dropped (ENOBUFS).
    """
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as raw:
        try:
            raw.sendto(bytes.fromhex(frame), (interface, protocol))
        except OSError as error:
            if error.errno != errno.ENOBUFS:
                raise
            return False
    return True


_captures: list[socket.socket] = []


def capture(interface: str) -> bool:
    """Begin to listen to everything on `interface`."""
    sniffer = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL))
    sniffer.bind((interface, _ETH_P_ALL))
    _captures.append(sniffer)
    return True


def seen(marker: str, seconds: float = 0.1) -> bool:
    """Whether a frame with `marker` in it has come, or comes within `seconds`."""
    sniffer = _captures[-1]
    deadline = time.monotonic() + seconds
    while (rest := deadline - time.monotonic()) > 0:
        if select.select([sniffer], [], [], rest)[0] and marker.encode() in sniffer.recv(65536):
            return True
    return False


def main() -> None:
    """Answer commands until stdin ends."""
    functions: dict[str, Callable[..., object]] = {
        it.__name__: it for it in (serve, tcp, udp, ping, send, capture, seen)
    }
    for line in sys.stdin:
        name, *arguments = json.loads(line)
        print(json.dumps(functions[name](*arguments)), flush=True)


if __name__ == "__main__":
    main()
