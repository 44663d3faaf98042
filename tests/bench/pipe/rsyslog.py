"""Debian's rsyslog in our place: imfile reads the same files, TLS carries them, another rsyslogd writes one file."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from bench.pipe.corpus import Corpus
from bench.pipe.run import Run, measure
from bench.pipe.trust import NODE, SERVER, Trust
from lab.postgres import free_port

_RSYSLOGD = "/usr/sbin/rsyslogd"
_START_SECONDS = 10

_COMMON = """
global(workDirectory="{state}" defaultNetstreamDriver="ossl" maxMessageSize="64k"
       defaultNetstreamDriverCAFile="{tls}/ca.crt" defaultNetstreamDriverCertFile="{tls}/tls.crt"
       defaultNetstreamDriverKeyFile="{tls}/tls.key")
main_queue(queue.size="100000" queue.dequeueBatchSize="1024")
"""

_SENDER = """
module(load="imfile" mode="inotify")
{module}
input(type="imfile" File="{root}/*/*/0.log" Tag="pod:" ruleset="forward")
ruleset(name="forward") {{ {action} }}
"""

_RECEIVER = """
{module}
template(name="line" type="string" string="%msg%\\n")
{input}
ruleset(name="store") {{ action(type="omfile" file="{out}" template="line") }}
"""

_TCP = {
    "module": "",
    "action": 'action(type="omfwd" target="127.0.0.1" port="{port}" protocol="tcp" TCP_Framing="octet-counted"'
    ' template="RSYSLOG_SyslogProtocol23Format" StreamDriver="ossl" StreamDriverMode="1"'
    ' StreamDriverAuthMode="x509/name" StreamDriverPermittedPeers="{server}")',
    "receiver_module": 'module(load="imtcp" StreamDriver.Name="ossl" StreamDriver.Mode="1"'
    ' StreamDriver.AuthMode="x509/name" PermittedPeer=["{node}"])',
    "input": 'input(type="imtcp" address="127.0.0.1" port="{port}" ruleset="store")',
}

_RELP = {
    "module": 'module(load="omrelp" tls.tlslib="gnutls")',
    "action": 'action(type="omrelp" target="127.0.0.1" port="{port}" template="RSYSLOG_SyslogProtocol23Format"'
    ' tls="on" tls.caCert="{tls}/ca.crt" tls.myCert="{tls}/tls.crt" tls.myPrivKey="{tls}/tls.key"'
    ' tls.authMode="name" tls.permittedPeer=["{server}"])',
    "receiver_module": 'module(load="imrelp" tls.tlslib="gnutls" ruleset="store")',
    "input": 'input(type="imrelp" address="127.0.0.1" port="{port}" tls="on" tls.caCert="{tls}/ca.crt"'
    ' tls.myCert="{tls}/tls.crt" tls.myPrivKey="{tls}/tls.key" tls.authMode="name" tls.permittedPeer=["{node}"])',
}

_WIDE_RELP = {**_RELP, "action": _RELP["action"].replace('tls="on"', 'tls="on" windowSize="10000"')}
"""With 10,000 messages under way instead of librelp's 128."""

WAYS = {"omfwd": _TCP, "omrelp": _RELP, "omrelp-wide": _WIDE_RELP}
"""Each with the TLS library that was the faster one for it: OpenSSL for omfwd, GnuTLS for omrelp."""


def run_rsyslog(name: str, corpus: Corpus, folder: Path, trust: Trust, seconds: float) -> Run:
    """All of `corpus`, until the last byte is in the receiver's file. Raises AssertionError for other content."""
    out = folder / "out.log"

    def arrived() -> float:
        return out.stat().st_size * corpus.lines // corpus.bytes if out.exists() else 0

    with (
        _receiver(name, folder, trust, out) as (receiver, port),
        _sender(name, corpus, folder, trust, port) as sender,
    ):
        components = {"sender": sender.pid, "receiver": receiver.pid}
        run = measure(name, corpus.lines, seconds, components, arrived)
    with out.open("rb") as file:
        lines = sum(1 for _ in file)
    assert lines == corpus.lines if run.complete else lines <= corpus.lines, (
        f"{lines} of {corpus.lines} lines"
    )
    return run


@contextlib.contextmanager
def _receiver(
    name: str, folder: Path, trust: Trust, out: Path
) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    port = free_port()
    names = {"port": port, "tls": trust.server, "node": NODE}
    way = {key: text.format(**names, server=SERVER) for key, text in WAYS[name].items()}
    text = _RECEIVER.format(module=way["receiver_module"], input=way["input"], out=out)
    with _daemon(folder / "receiver", trust.server, text) as process:
        _wait_for(port, process, folder / "receiver" / "log")
        yield process, port


@contextlib.contextmanager
def _sender(
    name: str, corpus: Corpus, folder: Path, trust: Trust, port: int
) -> Iterator[subprocess.Popen[bytes]]:
    way = WAYS[name]
    action = way["action"].format(port=port, tls=trust.node, server=SERVER)
    text = _SENDER.format(module=way["module"], root=corpus.root, action=action)
    with _daemon(folder / "sender", trust.node, text) as process:
        yield process


@contextlib.contextmanager
def _daemon(folder: Path, tls: Path, text: str) -> Iterator[subprocess.Popen[bytes]]:
    """rsyslogd with the configuration `text` in `folder`, until the block ends."""
    folder.mkdir(parents=True)
    configuration = folder / "rsyslog.conf"
    configuration.write_text(_COMMON.format(state=folder, tls=tls) + text)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [_RSYSLOGD, "-n", "-f", str(configuration), "-i", str(folder / "pid")], stdout=log, stderr=log
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    """Until `port` is open. Raises RuntimeError with the log."""
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"rsyslogd is not there:\n{log.read_text()}") from None
            time.sleep(0.05)
        else:
            return
