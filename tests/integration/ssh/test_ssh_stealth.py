"""What root finds when it looks around."""

from __future__ import annotations

import re
import time

import pytest
from service_image import ROOT, Service, docker, image
from ssh_lab import Terminal, ssh

from lab.attacker import SSH_OPTIONS, Attacker

WORDS = re.compile(
    r"honeypot|decoy|decnet|kube|cowrie|SETTINGS|persona|seed.?5eed|(?<![a-z])tap(?![a-z])|LD_PRELOAD", re.I
)


def as_root(machine: Service, attacker: Attacker, command: str) -> str:
    return ssh(attacker, machine.address, "root", "toor", command)


@pytest.mark.parametrize("name", ["environ", "fd/1", "fd/0", "mem", "maps", "exe"])
def test_process_1_cannot_be_read(machine: Service, attacker: Attacker, name: str) -> None:
    printed = as_root(machine, attacker, f"cat /proc/1/{name} 2>&1; echo x > /proc/1/{name}")
    assert "Permission denied" in printed
    assert "SETTINGS" not in printed


def test_nobody_writes_to_our_output(machine: Service, attacker: Attacker) -> None:
    since = machine.mark()
    as_root(machine, attacker, "for f in /proc/*/fd/*; do echo forged > $f; done 2>/dev/null")
    machine.wait_for("session_closed", since)
    assert not [line for line in machine.output().splitlines() if line == "forged"]


def test_processes(machine: Service, attacker: Attacker) -> None:
    with Terminal(attacker, machine.address) as terminal:
        listed = terminal.send("ps -eo pid=,args=\r", r"args=\r\n(?s:.*)# $").splitlines()
    rows = [line.split(None, 1) for line in listed if re.match(r" *\d+ ", line)]
    arguments = {row[1].strip() for row in rows}
    assert ["1", "/sbin/init"] in [[pid, text.strip()] for pid, text in rows]
    assert any(
        re.match(r"sshd: /usr/sbin/sshd -D \[listener\] \d of 10-100 startups", text) for text in arguments
    )
    assert "-bash" in arguments
    for text in arguments:
        assert text in ("/sbin/init", "-bash", "ps -eo pid=,args=") or text.startswith("sshd: "), text


def test_titles_of_an_unknown_users_processes(machine: Service, attacker: Attacker) -> None:
    attacker.do("sh", "-c", "printf '#!/bin/sh\\nsleep 6; echo x\\n' > /tmp/ask; chmod +x /tmp/ask")
    attacker.start(
        "env", "SSH_ASKPASS=/tmp/ask", "SSH_ASKPASS_REQUIRE=force", "ssh", *SSH_OPTIONS,
        f"ghost@{machine.address}",
    )  # fmt: skip
    time.sleep(1.5)
    titles = set(as_root(machine, attacker, "ps -eo args=").splitlines())
    assert {"sshd: unknown [priv]", "sshd: unknown [net]"} <= {title.strip() for title in titles}


def test_environment_and_maps(machine: Service, attacker: Attacker) -> None:
    printed = as_root(
        machine,
        attacker,
        "env; cat /proc/self/environ /proc/*/environ /proc/*/cmdline /proc/*/maps 2>/dev/null"
        " | tr '\\0' '\\n' | grep -v -e grep; ls -l /proc/*/fd; ss -xlp; ss -tlnp; mount | cut -d' ' -f5-",
    )
    assert "USER=root" in printed
    found = {match.group() for match in WORDS.finditer(printed.replace("overlay", ""))}
    assert not found, found
    own = as_root(machine, attacker, "cat /proc/self/maps")
    assert "libnss_systemd" not in own  # sessions do not run with the library


def test_the_session_environment_is_stock(machine: Service, attacker: Attacker) -> None:
    names = {line.split("=")[0] for line in as_root(machine, attacker, "env").splitlines()}
    assert names == {
        "SHELL", "PWD", "LOGNAME", "MOTD_SHOWN", "HOME", "LANG", "SSH_CONNECTION", "USER", "SHLVL",
        "SSH_CLIENT", "PATH", "_",
    }  # fmt: skip


def test_files_of_ours_use_no_telling_words() -> None:
    """Names and contents of what the image adds to Debian's packages."""
    script = (
        "cd /; find etc usr var root home opt srv -xdev -newer /etc/debian_version -type f"
        " | sort > /tmp/all; cat /var/lib/dpkg/info/*.list | sed 's,^/,,' | sort > /tmp/known;"
        " comm -23 /tmp/all /tmp/known; echo usr/sbin/init; echo usr/lib/init/firstboot"
    )
    listed = docker("run", "--rm", "--entrypoint", "sh", image("ssh"), "-c", script).split()
    ours = [path for path in listed if not path.startswith(("var/lib/dpkg/", "var/cache/", "usr/share/"))]
    assert "usr/sbin/init" in ours
    for path in ours:
        assert not WORDS.search(path), path
    script = "cd /; grep -aoiE 'honeypot|decoy|decnet|kubernetes|cowrie' " + " ".join(sorted(set(ours)))
    contents = docker("run", "--rm", "--entrypoint", "sh", image("ssh"), "-c", f"{script}; true")
    assert contents == ""


def test_system_tools_know_only_real_users(machine: Service, attacker: Attacker) -> None:
    printed = as_root(machine, attacker, "id nobody42; getent passwd nobody42; echo status $?")
    assert "no such user" in printed
    assert "status 2" in printed


def test_logs_are_alive(machine: Service, attacker: Attacker) -> None:
    as_root(machine, attacker, "logger -p auth.info -t backup done")
    printed = as_root(machine, attacker, "cat /var/log/auth.log")
    pattern = (
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00 web01 sshd\[\d+\]: Accepted password for root from "
    )
    assert re.search(pattern, printed)
    assert re.search(r"web01 backup: done", printed)


def test_only_root_sees_the_spool(machine: Service, attacker: Attacker) -> None:
    printed = ssh(attacker, machine.address, "admin", "admin123", "ls -la /var/lib/systemd/coredump 2>&1")
    assert "Permission denied" in printed
    listed = as_root(machine, attacker, "ls -laR /var/lib/systemd; stat -c '%a %U' /var/lib/systemd/coredump")
    assert "700 root" in listed
    assert not WORDS.search(listed)


def test_the_sources_stay_out_of_the_image() -> None:
    found = docker(
        "run", "--rm", "--entrypoint", "sh", image("ssh"), "-c", "ls /src; command -v gcc make; true"
    )
    assert "gcc" not in found
    assert (ROOT / "images" / "ssh" / "src").exists()
