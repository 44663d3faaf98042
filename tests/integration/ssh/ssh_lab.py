"""What the ssh tests share: the client's options, an interactive shell, raw first exchanges."""

from __future__ import annotations

import os
import re
import select
import socket
import struct
import subprocess
import time
from types import TracebackType

from lab.attacker import SSH_OPTIONS, Attacker

USERS = "root:toor,admin:admin123"
STOCK = "rm /usr/lib/*/libnss_systemd.so.2; ssh-keygen -A >/dev/null; mkdir -p /run/sshd; exec /usr/sbin/sshd -D -e"
"""Starts the same package's sshd without anything of ours but PermitRootLogin."""

PASSWORDS = {"root": "toor", "admin": "admin123"}


def ssh(
    attacker: Attacker,
    address: str,
    user: str,
    password: str,
    *arguments: str,
    options: tuple[str, ...] = (),
    stdin: str | None = None,
) -> str:
    """What `ssh` prints, both streams. The client takes the first value of an option: `options` win."""
    command = ("sshpass", "-p", password, "ssh", *options, *SSH_OPTIONS, f"{user}@{address}", *arguments)
    printed: str = attacker.do(*command, check=False, stdin=stdin)
    return printed


class Terminal:
    """A person at a terminal: a login shell in a pseudo terminal, keys sent one chunk at a time."""

    def __init__(
        self, attacker: Attacker, address: str, user: str = "root", terminal: str = "xterm-256color"
    ) -> None:
        self._process = subprocess.Popen(
            [
                "docker", "exec", "-i", "-e", f"TERM={terminal}", attacker.name, "sshpass", "-p", PASSWORDS[user],
                "ssh", "-tt", *SSH_OPTIONS, f"{user}@{address}",
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )  # fmt: skip
        self.seen = ""

    def __enter__(self) -> Terminal:
        self.expect(r"[$#] $")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin and self._process.stdout
        try:
            if self._process.poll() is None:
                self._process.stdin.write(b"\r~.")  # the client's escape: hang up
                self._process.stdin.close()
            self._process.wait(timeout=5)
        except (OSError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def send(self, keys: str, pattern: str = r"[$#] $") -> str:
        """Press `keys`, then wait for `pattern` in what follows; returns that."""
        assert self._process.stdin
        self.seen = ""
        self._process.stdin.write(keys.encode())
        self._process.stdin.flush()
        return self.expect(pattern)

    def leave(self, keys: str = "exit\r") -> str:
        """Press `keys` and wait until the session has ended; returns what was shown."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(keys.encode())
        self._process.stdin.close()
        self.seen = self._process.stdout.read().decode(errors="replace")
        self._process.wait(timeout=10)
        return self.seen

    def expect(self, pattern: str, timeout: float = 10) -> str:
        """Read until `pattern` is in the output since the last keys."""
        assert self._process.stdout
        end = time.monotonic() + timeout
        while not re.search(pattern, self.seen):
            readable, _, _ = select.select([self._process.stdout], [], [], max(0, end - time.monotonic()))
            assert readable, f"no {pattern!r} in {self.seen!r}"
            data = os.read(self._process.stdout.fileno(), 65536)
            assert data, f"the session ended: {self.seen!r}"
            self.seen += data.decode(errors="replace")
        return self.seen


def exchange(address: str, data: bytes, *, timeout: float = 3, half_close: bool = True) -> bytes:
    """Everything that the server says to somebody who sends `data` and hangs up."""
    received = b""
    with socket.create_connection((address, 22), timeout=timeout) as connection:
        try:
            connection.sendall(data)
            if half_close:
                connection.shutdown(socket.SHUT_WR)
            while part := connection.recv(65536):
                received += part
        except OSError:
            pass  # reset by the server, or it waits for more: what came is what counts
    return received


def banner(address: str) -> str:
    """The server's version line."""
    return exchange(address, b"").split(b"\r\n", 1)[0].decode()


def first_packet(address: str) -> bytes:
    """The payload of the server's first packet, its KEXINIT."""
    data = exchange(address, b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u5\r\n")
    packet = data.split(b"\r\n", 1)[1]
    length, padding = struct.unpack(">IB", packet[:5])
    return packet[5 : 4 + length - padding]


def name_lists(kexinit: bytes) -> list[str]:
    """The ten lists of a KEXINIT: what HASSH is computed from, and host keys, and languages."""
    assert kexinit[0] == 20
    at, lists = 17, []  # after the type and the cookie
    for _ in range(10):
        (length,) = struct.unpack_from(">I", kexinit, at)
        lists.append(kexinit[at + 4 : at + 4 + length].decode())
        at += 4 + length
    assert kexinit[at:] == bytes(5)  # no guessed packet follows; reserved
    return lists
