"""Copies of what is written on the machine."""

from __future__ import annotations

import pytest
from service_image import Service, TestNetwork, docker
from spool_lab import sha256, spool, wait_until
from ssh_lab import USERS, Terminal, ssh

from lab.attacker import SSH_OPTIONS, Attacker

MIB = 1024 * 1024


def captured(machine: Service, path: str, since: int = 0, timeout: float = 15) -> dict[str, str]:
    """The last event about `path`."""
    return machine.wait_for(
        "file_captured", since, where=lambda fields: fields["path"] == path, timeout=timeout
    )[-1]


def stored(machine: Service, event: dict[str, str]) -> bytes:
    return wait_until(lambda: spool(machine).get(event["stored_as"], b""))


@pytest.mark.parametrize(
    ("user", "tool"), [("root", "scp -O"), ("admin", "scp"), ("admin", "scp -O"), ("root", "sftp")]
)
def test_an_upload(machine: Service, attacker: Attacker, user: str, tool: str) -> None:
    since = machine.mark()
    password = {"root": "toor", "admin": "admin123"}[user]
    path = f"/tmp/up-{user}-{tool.replace(' ', '')}"
    attacker.do("sh", "-c", "head -c 1500000 /dev/urandom > /tmp/up")
    target, options = f"{user}@{machine.address}", " ".join(SSH_OPTIONS)
    if tool == "sftp":
        command = (
            f"echo 'put /tmp/up {path}' | sshpass -p {password} sftp -o BatchMode=no -b - {options} {target}"
        )
    else:
        command = f"sshpass -p {password} {tool} {options} /tmp/up {target}:{path}"
    attacker.do("sh", "-c", command)
    digest = attacker.do("sha256sum", "/tmp/up").split()[0]
    event = captured(machine, path, since)
    assert (event["sha256"], event["size"], event["cut"]) == (digest, "1500000", "0")
    assert sha256(stored(machine, event)) == digest
    [opened] = machine.events("session_opened", since)
    assert (event["session"], event["src_ip"]) == (opened["session"], attacker.address)
    assert event["src_port"] == opened["src_port"]
    assert event["stored_as"].startswith(f"file-{opened['session']}-")


@pytest.mark.parametrize(
    ("path", "command", "content"),
    [
        ("/root/x.sh", "cat > /root/x.sh <<'EOF'\n#!/bin/sh\necho hi\nEOF", b"#!/bin/sh\necho hi\n"),
        ("/tmp/dd", "printf abc | dd of=/tmp/dd", b"abc"),
        ("/tmp/new/deep/er/f", "mkdir -p /tmp/new/deep/er && echo f > /tmp/new/deep/er/f", b"f\n"),
        ("/var/tmp/curl", "printf curled > /tmp/from; curl -so /var/tmp/curl file:///tmp/from", b"curled"),
        ("/dev/shm/x", "echo shm > /dev/shm/x", b"shm\n"),
        ("/tmp/appended", "echo 1 > /tmp/appended; sleep 3; echo 2 >> /tmp/appended", b"1\n2\n"),
        ("/tmp/moved/f", "mkdir /tmp/away; mv /tmp/away /tmp/moved; echo m > /tmp/moved/f", b"m\n"),
        ("/tmp/sp ace\\x0a\\xff", "echo odd > /tmp/sp\\ ace$'\\n\\xff'", b"odd\n"),
        ("/tmp/run-and-gone", "echo gone > /tmp/run-and-gone; sleep 0.3; rm /tmp/run-and-gone", b"gone\n"),
    ],
)  # fmt: skip
def test_a_file_made_by_a_command(
    machine: Service, attacker: Attacker, path: str, command: str, content: bytes
) -> None:
    since = machine.mark()
    ssh(attacker, machine.address, "root", "toor", command)
    wait_until(lambda: captured(machine, path, since)["sha256"] == sha256(content))
    assert stored(machine, captured(machine, path, since)) == content


def test_a_new_account(machine: Service, attacker: Attacker) -> None:
    """Written beside and renamed, as many tools do."""
    since = machine.mark()
    ssh(attacker, machine.address, "root", "toor", "useradd -M intruder")
    wait_until(lambda: b"\nintruder:" in stored(machine, captured(machine, "/etc/passwd", since)))


def test_a_file_from_an_editor(machine: Service, attacker: Attacker) -> None:
    since = machine.mark()
    with Terminal(attacker, machine.address) as terminal:
        terminal.send("TERM=xterm vi /tmp/note\r", r"\x1b\[\?1049h")
        terminal.send("iplans\x1b:wq\r")
    event = captured(machine, "/tmp/note", since)
    assert stored(machine, event) == b"plans\n"


def test_the_history_is_evidence(machine: Service, attacker: Attacker) -> None:
    since = machine.mark()
    ssh(attacker, machine.address, "admin", "admin123", "-tt", stdin="echo remember me\nexit\n")
    event = captured(machine, "/home/admin/.bash_history", since)
    assert b"echo remember me\n" in stored(machine, event)


def test_the_same_content_is_stored_once(machine: Service, attacker: Attacker) -> None:
    since = machine.mark()
    ssh(
        attacker,
        machine.address,
        "root",
        "toor",
        "for f in one two; do echo twice > /tmp/$f; sleep 0.5; done",
    )
    first, second = captured(machine, "/tmp/one", since), captured(machine, "/tmp/two", since)
    assert first["stored_as"] == second["stored_as"]
    ssh(attacker, machine.address, "root", "toor", "for n in 1 2 3; do echo twice > /tmp/one; sleep 1; done")
    assert len(machine.events("file_captured", since)) == 2


def test_logs_and_the_spool_are_left_alone(machine: Service, attacker: Attacker) -> None:
    since = machine.mark()
    ssh(
        attacker, machine.address, "root", "toor",
        "logger hello; echo x > /var/log/mine; echo y > /run/mine; echo z > /var/lib/systemd/coredump/mine; sleep 1",
    )  # fmt: skip
    machine.wait_for("session_closed", since)
    assert machine.events("file_captured", since) == []


def test_two_people_at_once(machine: Service, attacker: Attacker) -> None:
    """Whose file it is shows by its owner; when it does not, nobody is blamed."""
    since = machine.mark()
    options = " ".join(SSH_OPTIONS)
    attacker.do(
        "sh", "-c",
        f"sshpass -p toor ssh {options} root@{machine.address} 'sleep 1; echo r > /tmp/of-root; sleep 2' &"
        f" sshpass -p admin123 ssh {options} admin@{machine.address} 'sleep 1; echo a > /tmp/of-admin; sleep 2' &"
        " wait",
    )  # fmt: skip
    opened = {event["principal"]: event["session"] for event in machine.events("session_opened", since)}
    for user in ("root", "admin"):
        assert captured(machine, f"/tmp/of-{user}", since)["session"] == opened[user]
    since = machine.mark()
    attacker.do(
        "sh", "-c",
        f"for n in 1 2; do sshpass -p toor ssh {options} root@{machine.address}"
        " 'sleep 1; echo '$n' > /tmp/unsure'$n'; sleep 2' & done; wait",
    )  # fmt: skip
    assert "session" not in captured(machine, "/tmp/unsure1", since)


def test_large_files(network: TestNetwork, attacker: Attacker) -> None:
    with Service("ssh", network.name, {"users": USERS}) as machine:
        command = "yes large | head -c 100M > /root/whole; sleep 3; yes huge | head -c 120M > /root/cut"
        ssh(attacker, machine.address, "root", "toor", command)
        whole = captured(machine, "/root/whole", timeout=30)
        assert (whole["size"], whole["cut"]) == (str(100 * MIB), "0")
        assert whole["sha256"] == docker("exec", machine.name, "sha256sum", "/root/whole").split()[0]
        cut = captured(machine, "/root/cut", timeout=30)
        assert (cut["size"], cut["cut"]) == (str(100 * MIB), "1")
        head = docker("exec", machine.name, "sh", "-c", "head -c 100M /root/cut | sha256sum").split()[0]
        assert cut["sha256"] == head
        [made_way] = machine.wait_for(
            "recording_dropped", where=lambda f: f.get("name") == whole["stored_as"]
        )
        assert (made_way["reason"], made_way["bytes"]) == ("spool", whole["size"])


def test_very_many_files(network: TestNetwork, attacker: Attacker) -> None:
    """More than anybody can keep up with: it is said, what comes afterwards is captured, nothing grows."""
    with Service("ssh", network.name, {"users": USERS}) as machine:
        command = "mkdir /tmp/m; cd /tmp/m; for n in $(seq 4000); do echo $n > $n; done; rm -r /tmp/m"
        ssh(attacker, machine.address, "root", "toor", command)
        machine.wait_for("recording_dropped", where=lambda f: f["reason"] == "files", timeout=60)
        ssh(attacker, machine.address, "root", "toor", "echo later > /tmp/later")
        assert stored(machine, captured(machine, "/tmp/later", timeout=60)) == b"later\n"
        assert len(machine.events("file_captured")) < 3000
