"""Who tries to get in: real clients, real secrets, real addresses."""

from __future__ import annotations

import base64

import pytest
from service_image import Service
from ssh_lab import ssh

from lab.attacker import SSH_OPTIONS, Attacker

ATTEMPTS = [
    ("root", "toor", "accepted"),
    ("root", "123456", "refused"),
    ("admin", "admin123", "accepted"),
    ("admin", "Admin123", "refused"),
    ("nobody42", "letmein", "refused"),
    ("daemon", "daemon", "refused"),
    ("oracle", 'x y%"]\\ü', "refused"),
    ("root", "", "refused"),
]


@pytest.mark.parametrize(("user", "password", "outcome"), ATTEMPTS)
def test_a_password_is_a_credential(
    machine: Service, attacker: Attacker, user: str, password: str, outcome: str
) -> None:
    since = machine.mark()
    printed = ssh(attacker, machine.address, user, password, "echo got-in")
    assert ("got-in" in printed) == (outcome == "accepted")
    if not password:  # the server refuses an empty password before it asks anybody
        return
    [event] = machine.wait_for("credential", since)
    assert event["principal"] == user
    assert base64.b64decode(event["secret_b64"]).decode() == password
    assert event["secret_printable"] == password
    assert (event["secret_kind"], event["method"], event["outcome"]) == ("plaintext", "password", outcome)
    assert event["src_ip"] == attacker.address
    [connect] = machine.wait_for("connect", since)
    assert (connect["src_port"], connect["session"]) == (event["src_port"], event["session"])
    assert connect["dst_port"] == "22"
    [version] = machine.wait_for("client_version", since)
    assert version["version"].startswith("SSH-2.0-OpenSSH_")
    [end] = machine.wait_for("disconnect", since)
    assert end["session"] == event["session"]


def test_a_secret_that_is_no_text(machine: Service, attacker: Attacker) -> None:
    since = machine.mark()
    options = " ".join(SSH_OPTIONS)
    command = f"SSHPASS=$(printf '\\377\\001a') sshpass -e ssh {options} x@{machine.address}"
    attacker.do("sh", "-c", command, check=False)
    [event] = machine.wait_for("credential", since)
    assert base64.b64decode(event["secret_b64"]) == b"\xff\x01a"
    assert event["secret_printable"] == "\\xff\\x01a"


def test_hydra_tries_five_times(machine: Service, attacker: Attacker) -> None:
    since = machine.mark()
    # The wrong one first: hydra leaves an account alone once it has its password.
    guesses = [
        ("root", "1"),
        ("nobody42", "letmein"),
        ("oracle", "x y%"),
        ("root", "toor"),
        ("admin", "admin123"),
    ]
    attacker.do("sh", "-c", "cat > /tmp/guesses", stdin="".join(f"{u}:{p}\n" for u, p in guesses))
    found = attacker.do(
        "hydra", "-C", "/tmp/guesses", "-t", "2", "-I", f"ssh://{machine.address}", check=False
    )
    events = machine.wait_for("credential", since, count=5)
    assert {(event["principal"], event["secret_printable"]) for event in events} == set(guesses)
    assert {event["src_ip"] for event in events} == {attacker.address}
    assert "2 valid passwords found" in found


@pytest.mark.parametrize("user", ["root", "nobody77"])
@pytest.mark.parametrize("kind", ["ed25519", "rsa", "ecdsa"])
def test_an_offered_key_is_its_fingerprint(
    machine: Service, attacker: Attacker, user: str, kind: str
) -> None:
    since = machine.mark()
    attacker.do("sh", "-c", f"rm -f /tmp/key*; ssh-keygen -q -t {kind} -N '' -f /tmp/key")
    fingerprint = attacker.do("ssh-keygen", "-lf", "/tmp/key.pub").split()[1]
    key_type, blob = attacker.do("cat", "/tmp/key.pub").split()[:2]
    attacker.do(
        "ssh", *SSH_OPTIONS, "-o", "BatchMode=yes", "-i", "/tmp/key", f"{user}@{machine.address}", "true",
        check=False,
    )  # fmt: skip
    machine.wait_for("disconnect", since)
    [event] = machine.events("public_key", since)
    assert event["fingerprint"] == fingerprint
    assert (event["key_type"], event["key_b64"]) == (key_type, blob)
    assert (event["principal"], event["src_ip"]) == (user, attacker.address)


def test_the_daemons_own_words(machine: Service, attacker: Attacker) -> None:
    since = machine.mark()
    ssh(attacker, machine.address, "eve from 1.2.3.4 port 5", "x", "true")
    [said] = machine.wait_for("daemon_log", since, where=lambda f: "src_port" in f, count=1)[:1]
    assert (said["program"], said["src_ip"]) == ("sshd", attacker.address)
    assert "invalid user eve from 1.2.3.4" in ssh(
        attacker, machine.address, "root", "toor", "tail -n 20 /var/log/auth.log"
    )


def test_nobody_gets_in_by_default(network: object, attacker: Attacker) -> None:
    with Service("ssh", network.name) as closed:  # type: ignore[attr-defined]
        for user in ("root", "admin", "daemon"):
            assert "in" not in ssh(attacker, closed.address, user, user, "echo in").split()
        assert {event["outcome"] for event in closed.wait_for("credential", count=3)} == {"refused"}
