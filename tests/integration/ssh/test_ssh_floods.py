"""Gigabytes of output, and intruders who turn on the spool itself."""

from __future__ import annotations

import subprocess
import time

import pytest
from service_image import Service, TestNetwork, docker
from spool_lab import SPOOL, recorded, recordings, resident, spool, spool_bytes, wait_until
from ssh_lab import STOCK, USERS, Terminal, ssh

from lab.attacker import SSH_OPTIONS, Attacker

MIB = 1024 * 1024
FLOOD = 2 * 1024 * MIB
SPOOL_LIMIT = 48 * MIB  # recordings; what is being written may stand above 44 for a moment
RESIDENT_LIMIT = 8 * 1024  # KiB


def _dropped(machine: Service, since: int = 0) -> dict[str, int]:
    """Bytes by reason."""
    totals: dict[str, int] = {}
    for event in machine.events("recording_dropped", since):
        totals[event["reason"]] = totals.get(event["reason"], 0) + int(event["bytes"])
    return totals


def _seconds(attacker: Attacker, address: str, command: str, *options: str) -> float:
    """How long `command` takes, login included."""
    begun = time.monotonic()
    attacker.do(
        "sh", "-c",
        f'sshpass -p toor ssh {" ".join(options)} {" ".join(SSH_OPTIONS)} root@{address} "$0" > /dev/null', command,
        timeout=400,
    )  # fmt: skip
    return time.monotonic() - begun


@pytest.mark.timeout(900)
def test_two_gigabytes(network: TestNetwork, attacker: Attacker) -> None:
    """While they pass, another session is recorded whole; afterwards everything is as before."""
    command = f"yes | head -c {FLOOD}"
    with Service("ssh", network.name, {"users": USERS}) as machine:
        flood = subprocess.Popen(
            [
                "docker", "exec", attacker.name, "sh", "-c",
                f"sshpass -p toor ssh {' '.join(SSH_OPTIONS)} root@{machine.address} '{command}' > /dev/null",
            ]
        )  # fmt: skip
        most_spool = most_resident = 0
        since = machine.mark()
        with Terminal(attacker, machine.address, "admin") as terminal:
            while flood.poll() is None:
                assert "meanwhile" in terminal.send("echo mean''while\r", r"meanwhile\r\n.*\$ $")
                most_spool = max(most_spool, spool_bytes(machine))
                most_resident = max(most_resident, resident(machine))
            terminal.leave()
        print(f"spool at most {most_spool / MIB:.1f} MiB, process 1 {most_resident} KiB")
        assert most_spool < SPOOL_LIMIT
        assert most_resident < RESIDENT_LIMIT
        closed = {
            event["session"]: event
            for event in machine.wait_for("session_closed", since, count=2, timeout=30)
        }
        opened = {event["principal"]: event["session"] for event in machine.events("session_opened")}
        assert set(opened.values()) == set(closed)
        files = wait_until(lambda: spool(machine))
        [small] = recordings(files, opened["admin"])
        assert small.texts("x") == ["0"]
        typed, echoed = small.played("i"), small.played("o")
        assert typed.count(b"echo mean''while\r") == echoed.count(b"\rmeanwhile\r\n") > 1
        assert small.texts("m") == ["shell -bash"]  # nothing of it is missing
        [large] = recordings(files, opened["root"])
        assert large.texts("x") == ["0"]
        assert large.shards[0] == 0  # its beginning
        assert large.played("o").startswith(b"y\ny\n")
        kept = len(large.played("o"))
        lost = _dropped(machine)
        print(f"of {FLOOD} bytes {kept} are kept; reported: {lost}")
        assert lost["rate"] > 0
        assert (
            lost["rate"] + lost["budget"] + kept >= FLOOD
        )  # lines count escapes too: never less than the bytes
        since = machine.mark()
        ssh(attacker, machine.address, "root", "toor", "echo still there")
        [after] = recorded(machine, since)
        assert after.played("o") == b"still there\n"


@pytest.mark.timeout(900)
def test_speed(network: TestNetwork, attacker: Attacker) -> None:
    """Beside a stock sshd in the same container, alternately. The ratio is printed."""
    cases = {"pipe": (f"yes | head -c {256 * MIB}",), "terminal": (f"seq 1 {10**6}", "-tt")}
    with (
        Service("ssh", network.name, {"users": USERS}) as machine,
        Service("ssh", network.name, command=f"echo root:toor | chpasswd; {STOCK}") as stock,
    ):
        for name, (command, *options) in cases.items():
            ours, theirs = [], []
            for _ in range(3):
                theirs.append(_seconds(attacker, stock.address, command, *options))
                ours.append(_seconds(attacker, machine.address, command, *options))
            ratio = min(theirs) / min(ours)
            print(
                f"{name}: {min(ours):.2f} s, without recording {min(theirs):.2f} s, speed ratio {ratio:.2f}"
            )
            assert ratio > 0.5


def test_keys_in_a_flood(machine: Service, attacker: Attacker) -> None:
    """What is typed while a program floods the same terminal is all there."""
    since = machine.mark()
    with Terminal(attacker, machine.address) as terminal:
        terminal.send("yes flood flood flood & sleep 2\r", r"flood\r\n")
        for number in range(5):
            terminal.send(f"echo secret{number}\r", r"flood\r\n")
            time.sleep(0.5)
        terminal.leave("kill %1; exit\r")
    [recording] = recorded(machine, since, timeout=30)
    typed = recording.played("i").decode()
    assert [f"echo secret{n}\r" in typed for n in range(5)] == [True] * 5


def test_a_deleted_spool(machine: Service, attacker: Attacker) -> None:
    since = machine.mark()
    command = f"echo before; sleep 1; rm -rf {SPOOL}/* {SPOOL}/.session*; rmdir {SPOOL}; echo after; sleep 1; echo end"
    ssh(attacker, machine.address, "root", "toor", f"{{ {command}; }} 2>/dev/null")
    [recording] = recorded(machine, since)
    assert recording.played("o") == b"before\nafter\nend\n"
    [told] = machine.wait_for("recording_dropped", since)
    assert (told["reason"], told["bytes"]) == ("deleted", "0")
    assert told["name"].startswith("session-")
    mode = docker("exec", machine.name, "stat", "-c", "%a %U:%G", SPOOL).strip()
    assert mode == "700 root:root"


def test_a_filled_spool(network: TestNetwork, attacker: Attacker) -> None:
    with Service("ssh", network.name, {"users": USERS}) as machine:
        fill = (
            f"cd {SPOOL}; head -c 400M /dev/zero > junk; mkdir -p a/b; head -c 400M /dev/zero > a/b/more;"
            " head -c 200M /dev/zero > file-none-1; head -c 200M /dev/zero > session-0123456789abcdef-0001.cast;"
            " ln -s /etc x; exec 9> held; rm held; sleep 4; echo through"
        )
        printed = ssh(attacker, machine.address, "root", "toor", fill)
        assert "through" in printed
        assert _dropped(machine).keys() >= {"foreign"}
        since = machine.mark()
        ssh(attacker, machine.address, "root", "toor", "echo and on")
        [recording] = recorded(machine, since)
        assert recording.played("o") == b"and on\n"
        assert spool_bytes(machine) < 160 * MIB
        assert docker("exec", machine.name, "sh", "-c", "ls /etc | wc -l").strip() != "0"
        assert not [name for name in spool(machine) if name in ("junk", "a/b/more", "x")]


def test_what_an_earlier_process_left(network: TestNetwork) -> None:
    """A container starts again beside the same volume: recordings are finished, half copies are removed."""
    part = ".session-00112233aabbccdd-0000.cast.part"
    left = f"cd {SPOOL}; echo begun > {part}; echo half > .file-none-7.part; exec /sbin/init"
    with Service("ssh", network.name, {"users": USERS}, command=left) as machine:
        assert spool(machine) == {"session-00112233aabbccdd-0000.cast": b"begun\n"}
        assert docker("exec", machine.name, "ls", "-A", SPOOL).split() == [
            "session-00112233aabbccdd-0000.cast"
        ]
