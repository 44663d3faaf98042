"""Recordings of what people do: byte for byte, both ways."""

from __future__ import annotations

import hashlib
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from fcntl import ioctl

import pytest
from service_image import Service
from spool_lab import recorded, recordings, spool, wait_until
from ssh_lab import Terminal, ssh

from lab.attacker import SSH_OPTIONS, Attacker


def test_a_terminal_session(machine: Service, attacker: Attacker) -> None:
    since = machine.mark()
    with Terminal(attacker, machine.address, "admin") as terminal:
        shown = terminal.seen
        for keys, expected in (
            ("echo 'ünï'\r", r"[$#] $"), ("su -\r", r"Password: $"), ("toor\r", r"# $"), ("exit\r", r"\$ $"),
        ):  # fmt: skip
            shown += terminal.send(keys, expected)
        shown += terminal.leave("exit 5\r")
    [recording] = recorded(machine, since)
    assert recording.header["terminal"] is True
    assert shown in recording.played("o").decode()
    assert recording.played("i").decode().startswith("echo 'ünï'\rsu -\rtoor\rexit\rexit 5\r")
    assert "toor" not in recording.played("o").decode()
    assert recording.texts("m") == ["shell -bash"]
    assert recording.texts("x") == ["5"]


def _wait_for(master: int, pattern: bytes, timeout: float = 10) -> None:
    seen, end = b"", time.monotonic() + timeout
    while not re.search(pattern, seen):
        readable, _, _ = select.select([master], [], [], max(0, end - time.monotonic()))
        assert readable, seen
        seen += os.read(master, 65536)


def test_window_sizes(machine: Service, attacker: Attacker) -> None:
    since = machine.mark()
    master, slave = pty.openpty()
    ioctl(slave, termios.TIOCSWINSZ, struct.pack("4H", 33, 101, 0, 0))
    client = subprocess.Popen(
        [
            "docker", "exec", "-it", attacker.name, "sshpass", "-p", "toor", "ssh", "-tt", *SSH_OPTIONS,
            f"root@{machine.address}",
        ],
        stdin=slave, stdout=slave, stderr=slave,
    )  # fmt: skip
    try:
        _wait_for(master, rb"# $")
        ioctl(slave, termios.TIOCSWINSZ, struct.pack("4H", 41, 77, 0, 0))
        client.send_signal(signal.SIGWINCH)
        time.sleep(1)
        os.write(master, b"stty size; exit\r")
        _wait_for(master, rb"41 77\r\n")
        client.wait(timeout=10)
    finally:
        client.kill()
        client.wait()
        os.close(master)
        os.close(slave)
    [recording] = recorded(machine, since)
    assert (recording.header["width"], recording.header["height"]) == (101, 33)
    assert recording.texts("r")[-1] == "77x41"


def test_a_command_without_a_terminal(machine: Service, attacker: Attacker) -> None:
    """Bytes of every kind, characters cut in two by the pipe, and the private ones that stand for bytes."""
    since = machine.mark()
    command = r"head -c 600000 /dev/urandom; printf 'aä€😀%.0s' $(seq 9000); printf '\356\276\200'; echo e >&2; exit 7"
    options = " ".join(SSH_OPTIONS)
    printed = attacker.do(
        "sh", "-c",
        f'sshpass -p toor ssh {options} root@{machine.address} "$0" 2>/tmp/err | sha256sum', command,
    )  # fmt: skip
    [recording] = recorded(machine, since)
    assert recording.header["terminal"] is False
    assert recording.texts("m") == [f"exec {command}"]
    assert recording.texts("x") == ["7"]
    output = recording.played("o")
    assert output.count(b"e\n") >= 1
    candidates = {hashlib.sha256(output[:at] + output[at + 2 :]).hexdigest() for at in _places(output)}
    assert printed.split()[0] in candidates  # standard error came somewhere in between


def _places(output: bytes) -> list[int]:
    return [match.start() for match in re.finditer(b"e\n", output)]


def test_input_of_a_shell_without_a_terminal(machine: Service, attacker: Attacker) -> None:
    since = machine.mark()
    script = "uname -s\ncat > /tmp/in <<'EOF'\nsome text\nEOF\nexit 3\n"
    ssh(attacker, machine.address, "admin", "admin123", "-T", stdin=script)
    [recording] = recorded(machine, since)
    assert recording.played("i").decode() == script
    assert b"Linux\n" in recording.played("o")
    assert recording.texts("m") == ["shell -bash"]
    assert recording.texts("x") == ["3"]


def test_a_killed_program(machine: Service, attacker: Attacker) -> None:
    since = machine.mark()
    ssh(attacker, machine.address, "root", "toor", "kill -9 $$")
    [recording] = recorded(machine, since)
    assert recording.texts("x") == ["137"]


def test_several_programs_of_one_connection(machine: Service, attacker: Attacker) -> None:
    since = machine.mark()
    control = ("-o", "ControlPath=/tmp/multi", "-o", "ControlPersist=yes", "-o", "ControlMaster=auto")
    target = f"root@{machine.address}"
    for number in range(3):
        attacker.do("sshpass", "-p", "toor", "ssh", *SSH_OPTIONS, *control, target, f"echo out{number}")
    attacker.do("ssh", *control, "-O", "exit", target)
    [closed] = machine.wait_for("session_closed", since)
    found = wait_until(lambda: recordings(spool(machine), closed["session"]))
    assert [recording.played("o") for recording in found] == [b"out0\n", b"out1\n", b"out2\n"]


@pytest.mark.parametrize("size", [1_500_000])
def test_more_than_a_shard(machine: Service, attacker: Attacker, size: int) -> None:
    since = machine.mark()
    command = f"head -c {size} /dev/zero | tr '\\0' '\\1'"
    ssh(attacker, machine.address, "root", "toor", f"{command} | cat")
    [recording] = recorded(machine, since)
    assert recording.played("o") == b"\1" * size  # six characters each
    assert recording.shards == list(range(len(recording.shards)))
    assert len(recording.shards) == 3


def test_a_connection_that_breaks(machine: Service, attacker: Attacker) -> None:
    since = machine.mark()
    attacker.do(
        "timeout", "-s", "KILL", "2", "sshpass", "-p", "toor", "ssh", *SSH_OPTIONS, f"root@{machine.address}",
        "echo begun; sleep 4", check=False,
    )  # fmt: skip
    attacker.do("pkill", "-9", "-x", "ssh", check=False)
    [closed] = machine.wait_for("session_closed", since, timeout=20)
    found = wait_until(lambda: recordings(spool(machine), closed["session"]))
    assert found[0].played("o") == b"begun\n"
