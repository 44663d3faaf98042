"""What the machine shows of itself before and after login."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from service_image import OTHER_SEED, Service, TestNetwork, docker
from ssh_lab import STOCK, USERS, banner, first_packet, name_lists, ssh

from lab.attacker import SSH_OPTIONS, Attacker

CLAIMED = "OpenSSH_8.9p1 Ubuntu-3ubuntu0.10"  # longer than the installed one: nothing may cut it


def test_nmap_names_it(machine: Service, attacker: Attacker) -> None:
    installed = ssh(attacker, machine.address, "root", "toor", "ssh -V 2>&1").split(",")[0].split("_")[1]
    scan = attacker.do("nmap", "-sV", "-Pn", "-n", "-p", "22,80", machine.address)
    assert (
        f"22/tcp open   ssh     OpenSSH {installed.split()[0]} {installed.split()[1].replace('-', ' ', 1)}"
        in scan
    )
    assert "OpenSSH 9.2p1 Debian" in scan
    for word in ("honeypot", "decoy", "decnet", "kube", "cowrie"):
        assert word not in scan.lower()


@pytest.fixture(scope="module")
def stock(network: TestNetwork) -> Iterator[Service]:
    with Service("ssh", network.name, command=STOCK) as service:
        yield service


def test_the_first_exchange_is_stock(machine: Service, stock: Service) -> None:
    """But for keys and cookie."""
    assert banner(machine.address) == banner(stock.address)
    assert name_lists(first_packet(machine.address)) == name_lists(first_packet(stock.address))


def test_the_log_is_stock(machine: Service, stock: Service, attacker: Attacker) -> None:
    """Unknown users, keys, wrong passwords, too many attempts: sshd says the same of each."""
    attacker.do(
        "sh", "-c",
        "for n in 1 2 3 4 5 6 7; do rm -f /tmp/many$n*; ssh-keygen -q -t ed25519 -N '' -f /tmp/many$n; done",
        check=False,
    )  # fmt: skip
    since = machine.mark()
    stock_since = len(stock.output().splitlines())
    for service in (machine, stock):
        for user in ("root", "ghost"):
            for keys in (1, 7):
                options = [word for n in range(keys) for word in ("-i", f"/tmp/many{n + 1}")]
                ssh(attacker, service.address, user, "wrong", "true", options=tuple(options))
            ssh(attacker, service.address, user, "wrong", "true", options=("-o", "NumberOfPasswordPrompts=3"))
            attacker.do("ssh", *SSH_OPTIONS, "-o", "BatchMode=yes", f"{user}@{service.address}", check=False)
    ours = [line.message for line in machine.lines()[since:] if line.msg_id == "daemon_log"]
    theirs = [line.removesuffix("\r") for line in stock.output().splitlines()[stock_since:]]
    assert _comparable(ours) == _comparable(theirs)
    assert len(_comparable(theirs)) > 15


def _comparable(messages: list[str]) -> list[str]:
    """Without ports; PAM and the preceding "error: " go to the system log only."""
    return [
        re.sub(r"port \d+", "port N", message.removeprefix("error: "))
        for message in messages
        if not message.startswith(("pam_", "PAM "))
    ]


def test_the_packages_files_are_untouched(machine: Service) -> None:
    changed = docker(
        "exec", machine.name, "dpkg", "--verify", "openssh-server", "openssh-client", "libpam0g", "bash"
    )
    differing = {line.split()[-1] for line in changed.splitlines() if line.split()[0] != "missing"}
    assert differing <= {"/etc/pam.d/sshd"}


def test_restarts_keep_the_host_keys(network: TestNetwork, attacker: Attacker) -> None:
    with Service("ssh", network.name) as first:
        keys = attacker.host_keys(first.address)
        docker("restart", first.name)
        first.find_address()
        first.wait_ready()
        assert attacker.host_keys(first.address) == keys
    with Service("ssh", network.name) as again:
        assert attacker.host_keys(again.address) == keys
    with Service("ssh", network.name, seed=OTHER_SEED) as other:
        assert not set(attacker.host_keys(other.address)) & set(keys)
    assert sorted(key.split()[0] for key in keys) == ["ecdsa-sha2-nistp256", "ssh-ed25519", "ssh-rsa"]


@pytest.fixture(scope="module")
def claimant(network: TestNetwork) -> Iterator[Service]:
    persona = {"users": "ubuntu:pass:word,backup1:x", "version": CLAIMED, "motd": "Keep out.\nReally."}
    with Service("ssh", network.name, persona, hostname="files02") as service:
        yield service


def test_a_claimed_version(claimant: Service, attacker: Attacker) -> None:
    assert banner(claimant.address) == f"SSH-2.0-{CLAIMED}"
    assert "OpenSSH 8.9p1 Ubuntu 3ubuntu0.10" in attacker.do(
        "nmap", "-sV", "-Pn", "-n", "-p", "22", claimant.address
    )
    [started] = claimant.wait_for("service_started")
    assert started["version"] == CLAIMED


def test_accounts_look_like_debians(claimant: Service, attacker: Attacker) -> None:
    printed = ssh(
        attacker, claimant.address, "ubuntu", "pass:word",
        "hostname; id; ls -A; grep ubuntu /etc/passwd; echo pass:word | sudo -S -p '' id -u; cat /etc/motd",
    )  # fmt: skip
    assert printed.splitlines() == [
        "files02",
        "uid=1000(ubuntu) gid=1000(ubuntu) groups=1000(ubuntu),24(cdrom),25(floppy),27(sudo),29(audio),"
        "30(dip),44(video),46(plugdev),100(users)",
        ".bash_logout",
        ".bashrc",
        ".profile",
        "ubuntu:x:1000:1000:,,,:/home/ubuntu:/bin/bash",
        "0",
        "Keep out.",
        "Really.",
    ]


def test_unusable_settings_say_why(network: TestNetwork) -> None:
    for users, why in (
        ("Bad Name:x", "is no user name"),
        ("daemon:x", "is a system user"),
        ("root", "no password"),
    ):
        service = Service("ssh", network.name, {"users": users})
        try:
            with service, pytest.raises(AssertionError, match=why):
                service.wait_ready(1)
        except AssertionError as error:
            assert why in str(error)
        finally:
            docker("rm", "-f", service.name, check=False)


def test_two_machines_share_no_secret(network: TestNetwork) -> None:
    with (
        Service("ssh", network.name, {"users": USERS}) as one,
        Service("ssh", network.name, {"users": USERS}, seed=OTHER_SEED) as other,
    ):
        shadows = [docker("exec", s.name, "grep", "^root:", "/etc/shadow") for s in (one, other)]
        assert shadows[0] != shadows[1]
