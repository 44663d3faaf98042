"""Debian's rsyslogd, configured as docs/rsyslog.md says, delivers to the listener."""

from __future__ import annotations

import contextlib
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from intel_lab import Lab, Pair, eventually, listening, make_lab

ROOT = Path(__file__).parents[3]
ADDRESS = "127.0.0.65"  # a loopback address of its own, so that the documented port is free
PORT = 6514

_MAIN = """
global(workDirectory="{spool}")
module(load="imtcp")
input(type="imtcp" address="127.0.0.1" port="0" listenPortFileName="{port_file}")
include(file="/etc/rsyslog.d/*.conf")
"""


def documented_config() -> str:
    """The configuration that the documentation tells people to use."""
    [block] = re.findall(r"```rsyslog\n(.*?)```", (ROOT / "docs/rsyslog.md").read_text(), re.DOTALL)
    return str(block)


@contextlib.contextmanager
def rsyslogd(folder: Path, ca: Path, pair: Pair) -> Iterator[Path]:
    """rsyslogd with /etc/rsyslog.d and /etc/hosts of its own; gives the file with its input's port."""
    etc = folder / "rsyslog.d"
    (etc / "decnet").mkdir(parents=True, mode=0o700)
    (etc / "decnet.conf").write_text(documented_config())
    for source, name in ((ca, "ca.crt"), (pair.cert, "sender.crt"), (pair.key, "sender.key")):
        shutil.copy(source, etc / "decnet" / name)
    (folder / "hosts").write_text(f"127.0.0.1 localhost\n{ADDRESS} decnet-listener\n")
    (folder / "spool").mkdir()
    port_file = folder / "port"
    (folder / "main.conf").write_text(_MAIN.format(spool=folder / "spool", port_file=port_file))
    mounts = f"mount --bind {etc} /etc/rsyslog.d && mount --bind {folder}/hosts /etc/hosts"
    run = f"exec rsyslogd -n -f {folder}/main.conf -i {folder}/pid"
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", "sh", "-c", f"{mounts} && {run}"],
            stdout=log, stderr=log,
        )  # fmt: skip
        try:
            yield port_file
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@pytest.fixture
def lab(postgres_url: str, tmp_path: Path) -> Lab:
    if shutil.which("rsyslogd") is None:
        pytest.fail("needs rsyslog: apt-get install rsyslog rsyslog-openssl")
    lab = make_lab(postgres_url, tmp_path)
    lab.settings.host, lab.settings.port = ADDRESS, PORT
    return lab


def say(port_file: Path, *lines: str) -> None:
    """Give lines to rsyslog's own input."""
    with socket.create_connection(("127.0.0.1", int(port_file.read_text()))) as connection:
        connection.sendall("".join(f"{line}\n" for line in lines).encode())


async def test_rsyslog_delivers_with_a_pinned_certificate(lab: Lab, tmp_path: Path) -> None:
    pair = lab.ca.issue("gateway")
    lab.pin("gateway", pair.sha256)
    lines = [f'<165>1 2026-05-04T12:00:00.5Z fw01 kernel 7 M1 [x@1 n="{n}"] packet {n}' for n in range(500)]
    async with listening(lab):
        with rsyslogd(tmp_path / "rsyslog", lab.ca.file, pair) as port_file:
            await eventually(port_file.exists, "rsyslogd is up")
            say(port_file, *lines, "<13>May  4 12:00:00 fw01 su: an old-style line")
            await eventually(lambda: len(lab.rows()) >= 501, "all lines are stored", 30)
    rows = lab.rows()
    assert [row["message"] for row in rows] == [f"packet {n}" for n in range(500)] + ["an old-style line"]
    assert {(row["node"], row["decky"], row["hostname"], row["acknowledged"]) for row in rows} == {
        ("gateway", "", "fw01", False)
    }
    assert {row["event_id"] for row in rows[:500]} == {"M1"}
    assert {row["raw"] for row in rows} == {None}


async def test_rsyslog_waits_for_the_listener_and_is_refused_without_its_pin(
    lab: Lab, tmp_path: Path
) -> None:
    pair = lab.ca.issue("gateway")
    with rsyslogd(tmp_path / "rsyslog", lab.ca.file, pair) as port_file:
        await eventually(port_file.exists, "rsyslogd is up")
        async with listening(lab):
            say(port_file, "<13>1 - fw01 su - - - refused")
            with pytest.raises(TimeoutError):
                await eventually(lab.rows, "a row", 3)
        lab.pin("gateway", pair.sha256)
        say(port_file, "<13>1 - fw01 su - - - meanwhile")
        async with listening(lab):
            await eventually(
                lambda: "meanwhile" in [row["message"] for row in lab.rows()], "the queued line", 40
            )
