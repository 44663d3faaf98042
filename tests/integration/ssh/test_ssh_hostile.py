"""Exchanges that no client sends, and intruders who turn on the machine itself."""

from __future__ import annotations

import random
import re
import struct
import time
from collections.abc import Iterator

from service_image import Service, TestNetwork, docker
from ssh_lab import USERS, banner, exchange, first_packet, ssh

from lab.attacker import Attacker

EXCHANGES = 300
CLIENT = b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u5\r\n"


def packet(payload: bytes) -> bytes:
    padding = 8 - (len(payload) + 5) % 8 + 8
    return struct.pack(">IB", len(payload) + padding + 1, padding) + payload + bytes(padding)


def mutations(kexinit: bytes, count: int) -> Iterator[bytes]:
    """Cut off, oversized and altered openings of a conversation; the same ones on every run."""
    rng = random.Random(22)
    whole = CLIENT + packet(kexinit) + packet(b"\x1e" + struct.pack(">I", 32) + rng.randbytes(32))
    for number in range(count):
        data = bytearray(whole)
        match number % 6:
            case 0:
                data = data[: rng.randrange(len(data))]
            case 1:
                for _ in range(rng.randrange(1, 40)):
                    data[rng.randrange(len(data))] = rng.randrange(256)
            case 2:
                at = rng.randrange(len(data))
                data[at:at] = rng.randbytes(rng.randrange(1, 70_000))
            case 3:
                data = bytearray(
                    CLIENT
                    + struct.pack(">I", rng.choice([0, 1, 35_000, 2**31, 2**32 - 1]))
                    + rng.randbytes(512)
                )
            case 4:
                data = bytearray(
                    rng.choice([b"", b"SSH-2.0-", b"SSH-1.5-x\r\n", b"\0" * 64, b"%n%s" * 50])
                    + b"A" * rng.randrange(9000)
                )
            case _:
                at = rng.randrange(len(data))
                data = data[:at] + data[at + rng.randrange(1, 200) :]
        yield bytes(data)


def started(machine: Service) -> str:
    return docker("exec", machine.name, "sh", "-c", "cut -d' ' -f22 /proc/1/stat; pgrep -o -x sshd")


def test_mutated_exchanges_change_nothing(network: TestNetwork, attacker: Attacker) -> None:
    with Service("ssh", network.name, {"users": USERS}) as machine:
        before, says = started(machine), banner(machine.address)
        for data in mutations(first_packet(machine.address), EXCHANGES):
            exchange(machine.address, data, timeout=2)
        assert banner(machine.address) == says
        assert started(machine) == before
        assert "alive" in ssh(attacker, machine.address, "root", "toor", "echo alive")
        for word in ("Traceback", "Segmentation", "core dumped", "stack smashing", "buffer overflow"):
            assert word not in machine.output()
        connects = machine.wait_for("connect", count=EXCHANGES)
        machine.wait_for("disconnect", count=len(connects))


def test_a_killed_sshd_comes_back(network: TestNetwork, attacker: Attacker) -> None:
    with Service("ssh", network.name, {"users": USERS}) as machine:
        ssh(attacker, machine.address, "root", "toor", "kill -9 1; kill -TERM 1; pkill -9 sshd")
        time.sleep(2)
        machine.wait_ready()
        assert "again" in ssh(attacker, machine.address, "root", "toor", "echo again")
        assert len(machine.wait_for("credential", count=2)) == 2
        assert len(machine.events("service_started")) == 1
        ssh(attacker, machine.address, "root", "toor", "kill -HUP $(pgrep -o -x sshd)")
        time.sleep(1)
        machine.wait_ready()
        assert "more" in ssh(attacker, machine.address, "root", "toor", "echo more")
        assert len(machine.wait_for("command", count=4)) == 4
        begun = time.monotonic()
        docker("stop", machine.name)
        assert time.monotonic() - begun < 5
        assert docker("inspect", "-f", "{{.State.ExitCode}}", machine.name).strip() == "0"


def test_a_flood_of_log_lines_fills_nothing(network: TestNetwork, attacker: Attacker) -> None:
    with Service("ssh", network.name, {"users": USERS}) as machine:
        ssh(
            attacker, machine.address, "root", "toor",
            "head -c 36000000 /dev/zero | tr '\\0' x | fold -w 900 | logger -p auth.info",
        )  # fmt: skip
        sizes = ssh(attacker, machine.address, "root", "toor", "cat /var/log/auth.log* | wc -c")
        assert int(sizes) < 2_300_000
        assert "here" in ssh(attacker, machine.address, "root", "toor", "echo here")


def test_a_reader_that_stands_still_stops_nobody(network: TestNetwork, attacker: Attacker) -> None:
    """With nobody reading our output, logins work; what is lost is counted, and memory stays bounded."""
    unread = "mkfifo /tmp/p; sleep infinity < /tmp/p & exec /sbin/init > /tmp/p"
    with Service("ssh", network.name, {"users": USERS}, command=unread) as machine:
        flood = "head -c 8000000 /dev/zero | tr '\\0' x | fold -w 900 | logger -p auth.info; echo flooded"
        assert "flooded" in ssh(attacker, machine.address, "root", "toor", flood)
        assert "in" in ssh(attacker, machine.address, "root", "toor", "echo in")
        resident = docker("exec", machine.name, "awk", "/^VmRSS/ {print $2}", "/proc/1/status")
        assert int(resident) < 12_000  # KiB; the queue is 4 MiB
        read = docker("exec", machine.name, "timeout", "2", "cat", "/tmp/p", check=False)
        ssh(attacker, machine.address, "root", "toor", "echo and on")
        read += docker("exec", machine.name, "timeout", "2", "cat", "/tmp/p", check=False)
        assert re.search(r"\d+ lines were dropped", read)
        assert 'command="echo and on"' in read
