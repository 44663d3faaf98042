"""Our own pipe as it is in production: decnet-forwarder, mutual TLS, decnet-intel listener, Postgres."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.pipe.corpus import Corpus
from bench.pipe.database import Database
from bench.pipe.run import Run, measure
from bench.pipe.trust import NODE, Trust
from bench.pipe.usage import SharedPeak, tree
from lab.postgres import free_port

_START_SECONDS = 30
_STOP_SECONDS = 30


@dataclass(frozen=True)
class Pipe:
    """Running processes and where they answer."""

    listener: subprocess.Popen[bytes]
    forwarder: subprocess.Popen[bytes]
    forwarder_status: str
    folder: Path

    @property
    def components(self) -> dict[str, int]:
        """Process ids by name."""
        return {"forwarder": self.forwarder.pid, "listener": self.listener.pid}

    def check(self) -> None:
        """Raises RuntimeError with its last words when one of them has ended."""
        for process, name in ((self.listener, "listener"), (self.forwarder, "forwarder")):
            if process.poll() is not None:
                raise RuntimeError(
                    f"the {name} has ended:\n{(self.folder / f'{name}.log').read_text()[-2000:]}"
                )

    def acknowledged(self) -> float:
        """Lines that the forwarder has an acknowledgement for."""
        for line in _get(f"{self.forwarder_status}/metrics").splitlines():
            if line.startswith("decnet_forwarder_lines_acknowledged_total "):
                return float(line.split()[1])
        return 0.0


@contextlib.contextmanager
def running(
    folder: Path,
    root: Path,
    trust: Trust,
    database: Database,
    wrap: Mapping[str, Sequence[str]] | None = None,
    **settings: str,
) -> Iterator[Pipe]:
    """Listener, then forwarder, each begun with the words that `wrap` has for it; `settings` are the forwarder's."""
    wrap = wrap or {}
    database.do("insert into swarm_hosts (name, sha256) values (%s, %s)", NODE, trust.pin)
    port, listener_status, forwarder_status = free_port(), free_port(), free_port()
    listener_settings = {
        "DECNET_DATABASE_URL": database.url,
        "DECNET_LISTENER_HOST": "127.0.0.1",
        "DECNET_LISTENER_PORT": str(port),
        "DECNET_LISTENER_TLS_CERT": str(trust.server / "tls.crt"),
        "DECNET_LISTENER_TLS_KEY": str(trust.server / "tls.key"),
        "DECNET_LISTENER_TLS_CA": str(trust.server / "ca.crt"),
        "DECNET_LISTENER_STATUS_HOST": "127.0.0.1",
        "DECNET_LISTENER_STATUS_PORT": str(listener_status),
        "DECNET_ARTIFACTS_DIR": str(folder / "artifacts"),
    }
    forwarder_settings = {
        "DECNET_FORWARDER_LOG_ROOT": str(root),
        "DECNET_FORWARDER_STATE_DIR": str(folder / "forwarder"),
        "DECNET_FORWARDER_TLS_DIR": str(trust.node),
        "DECNET_FORWARDER_LISTENER": f"127.0.0.1:{port}",
        "DECNET_FORWARDER_NODE": NODE,
        "DECNET_FORWARDER_HTTP_PORT": str(forwarder_status),
        **{f"DECNET_FORWARDER_{name.upper()}": value for name, value in settings.items()},
    }
    with contextlib.ExitStack() as stack:
        words = [sys.executable, "-m", "decnet_intel.main", "listener"]
        log = folder / "listener.log"
        listener = stack.enter_context(_process(wrap.get("listener", ()), words, listener_settings, log))
        _wait_until_ready(listener, f"http://127.0.0.1:{listener_status}/readyz", log)
        words = [sys.executable, "-m", "decnet_node.forwarder.main"]
        log = folder / "forwarder.log"
        forwarder = stack.enter_context(_process(wrap.get("forwarder", ()), words, forwarder_settings, log))
        yield Pipe(listener, forwarder, f"http://127.0.0.1:{forwarder_status}", folder)


def run_ours(corpus: Corpus, folder: Path, trust: Trust, database: Database, seconds: float) -> Run:
    """All of `corpus`, until the last line is acknowledged. Raises AssertionError when a row is missing or twice."""
    memory = SharedPeak(database.server_pid)
    with memory.watching(), running(folder, corpus.root, trust, database) as pipe:
        run = measure_pipe("ours", corpus, pipe, database, seconds)
    run.peak["postgres"] = memory.mib
    check_rows(corpus, database, complete=run.complete)
    return run


def measure_pipe(name: str, corpus: Corpus, pipe: Pipe, database: Database, seconds: float) -> Run:
    """Committed lines over time; the last one counts when the forwarder knows of it."""

    def arrived() -> float:
        pipe.check()
        counted = database.counted()
        return counted if counted < corpus.lines else pipe.acknowledged()

    components = {**pipe.components, "postgres": database.server_pid}
    return measure(name, corpus.lines, seconds, components, arrived)


def check_rows(corpus: Corpus, database: Database, *, complete: bool) -> None:
    """Each line is one row."""
    rows = database.ask("select count(*) from events")
    assert rows == corpus.lines if complete else rows <= corpus.lines, f"{rows} rows of {corpus.lines} lines"


@contextlib.contextmanager
def _process(
    prefix: Sequence[str], words: Sequence[str], settings: dict[str, str], log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """A process until the block ends; a profiler in front of it (`prefix`) gets to write its report."""
    with log.open("ab") as out:
        process = subprocess.Popen([*prefix, *words], env={**os.environ, **settings}, stdout=out, stderr=out)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(tree(process.pid)[1] if prefix else process.pid, signal.SIGTERM)
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    """Raises RuntimeError with the log when the process does not get ready."""
    deadline = time.monotonic() + _START_SECONDS
    while not _answers(url):
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the listener is not ready:\n{log.read_text()}")
        time.sleep(0.05)


def _answers(url: str) -> bool:
    try:
        _get(url)
    except OSError:
        return False
    return True


def _get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 (always http, on loopback)
        text: str = answer.read().decode()
        return text
