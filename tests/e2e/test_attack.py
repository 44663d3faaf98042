"""What an attacker sees, and what of it reaches the database with the right address."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from lab.attacker import SSH_OPTIONS, Attacker
from lab.cluster import events, last_event_id, wait_for
from lab.deckies import SERVER_HEADER

HYDRA_GUESSES = [
    ("root", "123456"),  # first: hydra skips an account once it is in
    ("root", "toor"),
    ("admin", "admin123"),
    ("nobody42", "letmein"),
    ("oracle", "x y%"),
]


@pytest.fixture(scope="module")
def scan(attacker: Attacker, decky: dict[str, Any]) -> str:
    return attacker.do("nmap", "-sV", "-Pn", "-n", "-p", "22,80,81", decky["ip"], timeout=300)


def test_nmap_names_openssh(scan: str) -> None:
    assert "OpenSSH 9.2p1 Debian" in scan


def test_nmap_names_the_claimed_nginx(scan: str) -> None:
    assert SERVER_HEADER.replace("/", " ") in scan


def test_nmap_shows_a_vendor(scan: str, decky: dict[str, Any]) -> None:
    line = next(line for line in scan.splitlines() if line.startswith("MAC Address:"))
    assert decky["mac"].upper() in line
    assert "Unknown" not in line


def test_nmap_sees_a_closed_port(scan: str) -> None:
    assert "81/tcp closed" in scan


@pytest.mark.parametrize("word", ["honeypot", "decoy", "decnet", "kube", "cowrie"])
def test_nmap_says_nothing_of_the_trade(scan: str, word: str) -> None:
    assert word not in scan.lower()


def test_five_hydra_guesses_are_five_credentials(attacker: Attacker, decky: dict[str, Any]) -> None:
    since = last_event_id()
    guesses = "".join(f"{user}:{password}\n" for user, password in HYDRA_GUESSES)
    attacker.do("sh", "-c", "cat > /tmp/guesses", stdin=guesses)
    attacker.do(
        "hydra", "-C", "/tmp/guesses", "-t", "2", "-I", f"ssh://{decky['ip']}", check=False, timeout=180
    )

    def captured() -> set[tuple[str, str]]:
        rows = events(decky["name"], "service = 'ssh' and event_id = 'credential'", since)
        assert all(row["src_ip"] == attacker.address and row["src_port"] > 0 for row in rows)
        return {
            (row["fields"]["principal"], base64.b64decode(row["fields"]["secret_b64"]).decode())
            for row in rows
        }

    wait_for("five credentials", lambda: captured() >= set(HYDRA_GUESSES))
    accepted = {
        row["fields"]["principal"]
        for row in events(decky["name"], "event_id = 'credential' and fields->>'outcome' = 'accepted'", since)
    }
    assert accepted == {"root", "admin"}


@pytest.mark.parametrize("user", ["root", "nobody77"])
def test_an_offered_key_is_its_fingerprint(attacker: Attacker, decky: dict[str, Any], user: str) -> None:
    since = last_event_id()
    attacker.do("sh", "-c", "rm -f /tmp/key*; ssh-keygen -q -t ed25519 -N '' -f /tmp/key")
    fingerprint = attacker.do("ssh-keygen", "-lf", "/tmp/key.pub").split()[1]
    attacker.do(
        "ssh",
        *SSH_OPTIONS,
        "-o",
        "BatchMode=yes",
        "-i",
        "/tmp/key",
        f"{user}@{decky['ip']}",
        "true",
        check=False,
    )
    [row] = wait_for("the offered key", lambda: events(decky["name"], "event_id = 'public_key'", since))
    assert row["fields"]["fingerprint"] == fingerprint
    assert row["fields"]["principal"] == user
    assert row["src_ip"] == attacker.address


def test_a_command_is_recorded(attacker: Attacker, decky: dict[str, Any]) -> None:
    since = last_event_id()
    assert "uid=0(root)" in attacker.shell(decky["ip"], "root", "toor", "id; uname -m")
    [row] = wait_for("the command", lambda: events(decky["name"], "event_id = 'command'", since))
    assert "id; uname -m" in row["fields"]["command"]
    assert row["src_ip"] == attacker.address


def test_a_web_login_is_a_credential(attacker: Attacker, decky: dict[str, Any]) -> None:
    since = last_event_id()
    attacker.do(
        "curl", "-s", "-o", "/dev/null", "-A", "curl/attack", "-d", "log=admin&pwd=hunter2%26x",
        f"http://{decky['ip']}/wp-login.php",
    )  # fmt: skip
    [row] = wait_for(
        "the form's credential",
        lambda: events(decky["name"], "service = 'http' and event_id = 'credential'", since),
    )
    assert row["fields"]["principal"] == "admin"
    assert row["fields"]["secret_printable"] == "hunter2&x"
    assert row["src_ip"] == attacker.address
    requests = events(decky["name"], "event_id = 'http_request'", since)
    assert [r["fields"]["user_agent"] for r in requests] == ["curl/attack"]
