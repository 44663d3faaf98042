"""`decnet-collector` as a process, and deckies whose services fill their spools."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import shutil
import signal
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from artifact_lab import Site

from lab.postgres import free_port

Capture = tuple[str, str, str]
"""(pod uid, name, sha256)."""


@dataclass
class Decky:
    """A pod's directories on the node, and what was put into its spool."""

    root: Path
    pod: str
    expected: set[Capture] = field(default_factory=set)
    written: int = 0

    def __post_init__(self) -> None:
        self.uid = f"uid-{self.pod}"
        (self.root / "logs" / f"decnet_{self.pod}_{self.uid}" / "persona").mkdir(parents=True)
        self.spool = self.root / "pods" / self.uid / "volumes" / "kubernetes.io~empty-dir" / "spool-ssh"
        self.spool.mkdir(parents=True)

    def put(self, name: str, data: bytes) -> Capture:
        """A finished file, as a service makes it."""
        part = self.spool / f".{name}.part"
        part.write_bytes(data)
        part.rename(self.spool / name)
        capture = (self.uid, name, hashlib.sha256(data).hexdigest())
        self.expected.add(capture)
        self.written += len(data)
        return capture

    def left(self) -> int:
        """Bytes in the spool."""
        return sum(size_of(path) for path in self.spool.iterdir())


class CollectorProcess:
    """`decnet-collector` as its own process, to be killed."""

    def __init__(self, site: Site, folder: Path, port: int | None = None, **settings: object) -> None:
        self.state = folder / "collector"
        self.port = free_port()
        tls = folder / "tls"
        tls.mkdir(exist_ok=True)
        files = {"tls.crt": site.lab.pair.cert, "tls.key": site.lab.pair.key, "ca.crt": site.lab.ca.file}
        for name, source in files.items():
            shutil.copy(source, tls / name)
        values = {
            "LOG_ROOT": folder / "logs", "PODS_ROOT": folder / "pods", "STATE_DIR": self.state,
            "TLS_DIR": tls, "LISTENER": f"127.0.0.1:{port or site.lab.port}", "HTTP_PORT": self.port,
            "BACKOFF_SECONDS": 0.3, "POLL_SECONDS": 0.1, "COPY_RATE": 1 << 30,
            **{name.upper(): value for name, value in settings.items()},
        }  # fmt: skip
        self._environment = {f"DECNET_COLLECTOR_{name}": str(value) for name, value in values.items()}
        self._child: asyncio.subprocess.Process | None = None
        self.resident_mib = 0.0

    async def start(self) -> None:
        """Start it."""
        self._child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "decnet_node.collector.main", env={**os.environ, **self._environment}
        )

    async def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and wait; the exit status."""
        assert self._child is not None
        self.look()
        with contextlib.suppress(ProcessLookupError):
            self._child.send_signal(number)
        async with asyncio.timeout(20):
            return await self._child.wait()

    def look(self) -> None:
        """Note the most memory it ever had."""
        assert self._child is not None
        with contextlib.suppress(OSError, IndexError):
            status = Path(f"/proc/{self._child.pid}/status").read_text()
            self.resident_mib = max(self.resident_mib, int(status.split("VmHWM:")[1].split()[0]) / 1024)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[CollectorProcess]:
        """Run while inside; killed on the way out if need be."""
        await self.start()
        try:
            yield self
        finally:
            await self.end(signal.SIGKILL)

    async def get(self, path: str) -> tuple[int, str]:
        """Status and text of a status page; 0 when it does not answer."""
        return await asyncio.to_thread(self._get, path)

    def _get(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError:
            return 0, ""

    async def metric(self, name: str) -> float:
        """The value of a metric without labels; -1 when there is no answer."""
        for line in (await self.get("/metrics"))[1].splitlines():
            if line.startswith(f"decnet_collector_{name} "):
                return float(line.split()[1])
        return -1

    def disk(self) -> int:
        """Bytes of its copies, finished or not."""
        return sum(size_of(path) for path in self.state.glob("*/*"))


def size_of(path: Path) -> int:
    """Bytes of a file, 0 when it has just gone."""
    try:
        return path.lstat().st_size
    except FileNotFoundError:
        return 0


def captures(site: Site) -> set[Capture]:
    """What the listener has recorded."""
    return {(it["pod_uid"], it["name"], it["sha256"]) for it in site.captures()}


def lost(site: Site) -> dict[str, int]:
    """Bytes and files that were reported as lost."""
    fields = [it["fields"] for it in site.events("artifact_lost")]
    return {what: sum(int(it[what]) for it in fields) for what in ("bytes", "count")}


def difference(site: Site, deckies: list[Decky]) -> str:
    """What is wrong with the captures, for a message."""
    expected, found = expected_of(deckies), captures(site)
    return f"missing {sorted(expected - found)[:3]}, unknown {sorted(found - expected)[:3]}"


def expected_of(deckies: list[Decky]) -> set[Capture]:
    """All that was put into the spools."""
    return {capture for decky in deckies for capture in decky.expected}


def assert_stored_once(site: Site, deckies: list[Decky]) -> None:
    """Sets are compared, and each capture is one row, one event and one content."""
    assert captures(site) == expected_of(deckies), difference(site, deckies)
    assert len(site.captures()) == len(site.events("artifact_stored")) == len(expected_of(deckies))
    kept = site.kept()
    assert kept.keys() == {sha256 for _, _, sha256 in expected_of(deckies)}
    assert all(hashlib.sha256(data).hexdigest() == name for name, data in kept.items())
