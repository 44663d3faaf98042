"""What those do who got in."""

from __future__ import annotations

import pytest
from service_image import Service
from ssh_lab import Terminal, ssh

from lab.attacker import SSH_OPTIONS, Attacker


def commands(machine: Service, since: int, count: int = 1) -> list[tuple[str, str]]:
    """Command and how it came, in order."""
    events = machine.wait_for("command", since, count=count)
    return [(event["how"], event["command"]) for event in events]


@pytest.mark.parametrize(("user", "password"), [("root", "toor"), ("admin", "admin123")])
def test_a_session_from_login_to_logout(
    machine: Service, attacker: Attacker, user: str, password: str
) -> None:
    since = machine.mark()
    assert ssh(attacker, machine.address, user, password, "id -un; echo 'a  b'").split() == [user, "a", "b"]
    [closed] = machine.wait_for("session_closed", since)
    [opened] = machine.events("session_opened", since)
    [command] = machine.events("command", since)
    [credential] = machine.events("credential", since)
    assert command["command"] == "id -un; echo 'a  b'"
    assert command["how"] == "exec"
    assert opened["principal"] == command["principal"] == user
    assert opened["terminal"] == ""
    assert len({event["session"] for event in (opened, command, closed, credential)}) == 1
    assert 0 < float(closed["duration"]) < 10


@pytest.mark.parametrize("user", ["root", "admin"])
def test_typed_lines(machine: Service, attacker: Attacker, user: str) -> None:
    since = machine.mark()
    with Terminal(attacker, machine.address, user) as terminal:
        terminal.send("echo one\r")
        terminal.send("echo twq\x7fo\r")  # Backspace
        terminal.send("rubbish\x15echo three\r")  # Ctrl-U
        terminal.send("never entered\x03")  # Ctrl-C
        terminal.send("echo 'ünï'\r")
    [opened] = machine.wait_for("session_opened", since)
    assert opened["terminal"].startswith("/dev/pts/")
    assert commands(machine, since, 4) == [
        ("shell", "echo one"),
        ("shell", "echo two"),
        ("shell", "echo three"),
        ("shell", "echo 'ünï'"),
    ]


def test_lines_that_only_the_shell_knows(machine: Service, attacker: Attacker) -> None:
    since = machine.mark()
    with Terminal(attacker, machine.address) as terminal:
        terminal.send("ls /etc/hostn\t", r"hostname ")
        terminal.send("\r")
        terminal.send("\x1b[A", r"hostname ")  # Up
        terminal.send("\x7f\x7f\x7f\x7f\x7f\x7f\x7f\x7f\x7fpasswd\r")
        terminal.send("\x12hostn", r"7mhostn")  # Ctrl-R
        terminal.send("\r")
        terminal.send("echo ac", "ac$")
        terminal.send("\x1b[Db\x05d\r")  # Left, b, End, d
        terminal.send("cat /etc/de\t\t", r"(?s)deluser.*cat /etc/de$")  # a list of completions
        terminal.send("bian_ver\t\r")
    assert commands(machine, since, 5) == [
        ("shell", "ls /etc/hostname"),
        ("shell", "ls /etc/passwd"),
        ("shell", "ls /etc/hostname"),
        ("shell", "echo abcd"),
        ("shell", "cat /etc/debian_version"),
    ]


def test_a_line_longer_than_the_screen(machine: Service, attacker: Attacker) -> None:
    since = machine.mark()
    with Terminal(attacker, machine.address) as terminal:
        terminal.send("echo " + "0123456789" * 12 + "\r")
        terminal.send("\x1b[A", r"789$")
        terminal.send("x\x1b[Dy\r")
    assert commands(machine, since, 2) == [
        ("shell", "echo " + "0123456789" * 12),
        ("shell", "echo " + "0123456789" * 12 + "yx"),
    ]


def test_pasted_lines_and_typing_ahead(machine: Service, attacker: Attacker) -> None:
    since = machine.mark()
    with Terminal(attacker, machine.address) as terminal:
        terminal.send("sleep 1; echo a\recho b\recho done\r", r"done\r\n.*# $")
        terminal.send("\x1b[200~echo p1\recho p2\x1b[201~\r", r"p2\r\n.*# $")
    assert [text for _, text in commands(machine, since, 4)] == [
        "sleep 1; echo a", "echo b", "echo done", "echo p1\\x0aecho p2",
    ]  # fmt: skip


def test_a_password_typed_in_a_session(machine: Service, attacker: Attacker) -> None:
    since = machine.mark()
    with Terminal(attacker, machine.address, "admin") as terminal:
        terminal.send("su -\r", r"Password: $")
        assert "root@web01" in terminal.send("toor\r", r"# $")
        terminal.send("id -u\r", r"\b0\r\n.*# $")
    [hidden] = machine.wait_for("hidden_input", since)
    assert (hidden["input"], hidden["principal"], hidden["src_ip"]) == ("toor", "admin", attacker.address)
    assert [text for _, text in commands(machine, since, 2)] == ["su -", "id -u"]


def test_keys_in_an_editor_are_no_commands(machine: Service, attacker: Attacker) -> None:
    since = machine.mark()
    with Terminal(attacker, machine.address) as terminal:
        terminal.send("TERM=xterm vi /tmp/note\r", r"\x1b\[\?1049h")
        terminal.send("isecret plans\rmore\x1b", r"more")
        terminal.send(":wq\r")
        assert "secret plans" in terminal.send("cat /tmp/note; rm /tmp/note\r")
    assert [text for _, text in commands(machine, since, 2)] == [
        "TERM=xterm vi /tmp/note", "cat /tmp/note; rm /tmp/note",
    ]  # fmt: skip


def test_a_shell_without_a_terminal(machine: Service, attacker: Attacker) -> None:
    since = machine.mark()
    printed = ssh(
        attacker, machine.address, "root", "toor", "-T", stdin="uname -s\n/bin/busybox MIRAI\r\nexit\n"
    )
    assert "Linux" in printed
    assert commands(machine, since, 3) == [
        ("shell", "uname -s"), ("shell", "/bin/busybox MIRAI"), ("shell", "exit"),
    ]  # fmt: skip


def test_data_for_a_command_is_no_command(machine: Service, attacker: Attacker) -> None:
    since = machine.mark()
    assert "3" in ssh(attacker, machine.address, "root", "toor", "wc -l", stdin="a\nb\nc\n")
    machine.wait_for("session_closed", since)
    assert commands(machine, since) == [("exec", "wc -l")]


@pytest.mark.parametrize("legacy", [(), ("-O",)])
def test_scp_and_sftp(machine: Service, attacker: Attacker, legacy: tuple[str, ...]) -> None:
    since = machine.mark()
    attacker.do("sh", "-c", "head -c 300000 /dev/urandom > /tmp/up; rm -f /tmp/down")
    there = f"root@{machine.address}:/tmp/dropped"
    for source, target in (("/tmp/up", there), (there, "/tmp/down")):
        attacker.do("sshpass", "-p", "toor", "scp", *legacy, *SSH_OPTIONS, source, target)
    attacker.do("cmp", "/tmp/up", "/tmp/down")
    expected = [("exec", "scp -t /tmp/dropped"), ("exec", "scp -f /tmp/dropped")]
    assert commands(machine, since, 2) == (expected if legacy else [("subsystem", "sftp")] * 2)


def test_several_sessions_in_one_connection(machine: Service, attacker: Attacker) -> None:
    since = machine.mark()
    control = ("-o", "ControlPath=/tmp/control", "-o", "ControlPersist=yes", "-o", "ControlMaster=auto")
    target = f"root@{machine.address}"
    for number in range(3):
        attacker.do("sshpass", "-p", "toor", "ssh", *SSH_OPTIONS, *control, target, f"echo {number}")
    attacker.do("ssh", *control, "-O", "exit", target)
    [closed] = machine.wait_for("session_closed", since)
    [opened] = machine.events("session_opened", since)
    events = machine.events("command", since)
    assert [event["command"] for event in events] == ["echo 0", "echo 1", "echo 2"]
    assert {event["session"] for event in (*events, opened, closed)} == {opened["session"]}


@pytest.mark.parametrize(
    ("user", "target"),
    [
        ("root", "10.9.8.7:80"),
        ("admin", "intranet.example:443"),
        ("root", "localhost:22"),
        ("admin", "[::1]:22"),
    ],
)
def test_a_forwarded_port_is_refused(machine: Service, attacker: Attacker, user: str, target: str) -> None:
    since = machine.mark()
    password = {"root": "toor", "admin": "admin123"}[user]
    options = ("-o", "LogLevel=INFO", "-W", target)
    printed = ssh(attacker, machine.address, user, password, options=options)
    assert "open failed: connect failed" in printed
    [event] = machine.wait_for("forward_request", since)
    host, _, port = target.rpartition(":")
    assert (event["direction"], event["host"], event["port"]) == ("local", host.strip("[]"), port)
    assert event["src_ip"] == attacker.address


@pytest.mark.parametrize("user", ["root", "admin"])
def test_a_remote_port_is_refused(machine: Service, attacker: Attacker, user: str) -> None:
    since = machine.mark()
    password = {"root": "toor", "admin": "admin123"}[user]
    options = ("-o", "LogLevel=INFO", "-R", "8080:localhost:80")
    printed = ssh(attacker, machine.address, user, password, "true", options=options)
    assert "remote port forwarding failed for listen port 8080" in printed
    [event] = machine.wait_for("forward_request", since)
    assert (event["direction"], event["port"]) == ("remote", "8080")


def test_ten_people_at_once(machine: Service, attacker: Attacker) -> None:
    since = machine.mark()
    options = " ".join(SSH_OPTIONS)
    attacker.do(
        "sh", "-c",
        f"for n in 0 1 2 3 4 5 6 7 8 9; do"
        f" sshpass -p toor ssh {options} root@{machine.address} 'sleep 1; echo '$n & done; wait",
    )  # fmt: skip
    events = machine.wait_for("command", since, count=10)
    assert {event["command"] for event in events} == {f"sleep 1; echo {n}" for n in range(10)}
    assert len({event["session"] for event in events}) == 10
    machine.wait_for("session_closed", since, count=10)
