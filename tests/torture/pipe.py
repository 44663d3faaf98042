"""What every pipe under test has: nodes that send, receivers, and breakable connections between them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from torture.clock import Clock
from torture.daemon import Daemon, Supervisor
from torture.database import Database
from torture.disk import SmallDisk
from torture.ledger import Place
from torture.proxy import Network, Proxy
from torture.schedule import LISTENERS, NODES

_STATE_BYTES = 16 * 1024 * 1024
"""SQLite lets its log grow to 4 MiB before it tidies up."""


class Ground:
    """The folder of a run with a log tree, a clock and a small disk for each node."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="torture-"))
        self.folder.chmod(0o755)  # Postgres runs as another user
        self.network = Network()
        self.node_clocks = [Clock(self.folder / f"node-{n}.clock") for n in range(NODES)]
        self.listener_clocks = [Clock(self.folder / f"listener-{n}.clock") for n in range(LISTENERS)]
        self.states = [SmallDisk(self.folder / f"state-{n}", _STATE_BYTES) for n in range(NODES)]

    def pods(self, node: int) -> Path:
        """A node's /var/log/pods."""
        return self.folder / f"pods-{node}"

    def close(self, *, keep: bool) -> None:
        """Remove everything, or `keep` the files."""
        self.network.close()
        if keep:
            return
        for disk in self.states:
            disk.close()
        shutil.rmtree(self.folder, ignore_errors=True)


@dataclass
class Pipe:
    """The running parts, for faults to be done to. `links[n]` is between node n and its receiver,
    `stores[n]` between receiver n and the database."""

    ground: Ground
    senders: Sequence[Daemon]
    receivers: Sequence[Daemon]
    links: Sequence[Proxy]
    ports: list[int]
    stores: Sequence[Proxy] = ()
    database: Database | None = None
    database_disk: SmallDisk | None = None
    state_files: str = "*"
    """Which files of a node's small disk are its state."""
    saved: Callable[[int, Place, str], int] | None = None
    """How far (in bytes) a node's sender has come for good in a container's file, known by its first time."""
    supervisor: Supervisor = field(init=False)

    def __post_init__(self) -> None:
        self.supervisor = Supervisor([*self.receivers, *self.senders])

    def swap(self) -> None:
        """New connections go to the other receiver."""
        for link in self.links:
            here = self.ports.index(link.target)
            link.target = self.ports[(here + 1) % len(self.ports)]

    def close(self) -> None:
        """End the processes."""
        self.supervisor.close()
        if self.database is not None:
            self.database.close()
        if self.database_disk is not None:
            self.database_disk.close()
