"""Which spools there are on this node.

The names of the log directories say which pods are deckies; the spools are volumes (emptyDir) of these pods,
named `spool-<container>`. Directories are held open only while a piece of work lasts: kubelet cannot
unmount a volume in use.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from decnet_node.collector.index import Origin
from decnet_node.collector.store import Store
from decnet_node.forwarder.files import is_container_name, parse_pod_directory

_VOLUMES = ("volumes", "kubernetes.io~empty-dir")
_PREFIX = "spool-"
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Spool(NamedTuple):
    """One spool. `ended`: its pod is no more, nobody writes to it."""

    origin: Origin
    ended: bool


class SpoolTree:
    """The spools under `pods_root` of the pods that `log_root` names."""

    def __init__(self, log_root: Path, pods_root: Path, marker: str, store: Store) -> None:
        self._log_root = log_root
        self._pods_root = pods_root
        self._marker = marker
        self._store = store
        self._known = store.pods()

    def scan(self) -> list[Spool]:
        """Every spool right now. Raises OSError when the pods' directories cannot be listed."""
        present = self._present()
        spools: list[Spool] = []
        for uid, (namespace, pod) in list(self._known.items()):
            containers = list(self._containers(uid))
            ended = uid not in present
            spools += [Spool(Origin(namespace, pod, uid, name), ended) for name in containers]
            if ended and not containers:
                del self._known[uid]
                with suppress(sqlite3.Error):  # forgotten after the next start
                    self._store.forget_pod(uid)
        return spools

    def _present(self) -> set[str]:
        """The pods that have logs; new deckies among them are remembered."""
        present = set()
        for name in os.listdir(self._log_root):  # noqa: PTH208 - names are all that is wanted
            identity = parse_pod_directory(name)
            if identity is None:
                continue
            namespace, pod, uid = identity
            present.add(uid)
            if uid not in self._known and (self._log_root / name / self._marker).is_dir():
                self._known[uid] = (namespace, pod)
                with suppress(sqlite3.Error):  # a full disk; only what it leaves at its end needs it
                    self._store.remember_pod(uid, namespace, pod)
        return present

    def _containers(self, uid: str) -> Iterator[str]:
        with suppress(OSError), self._opened(uid, *_VOLUMES) as directory:
            for name in os.listdir(directory):  # noqa: PTH208 - a descriptor has no path
                container = name.removeprefix(_PREFIX)
                if container != name and is_container_name(container):
                    yield container

    @contextmanager
    def open(self, spool: Spool) -> Iterator[int]:
        """A descriptor of the spool's directory. Raises OSError; FileNotFoundError when it is gone."""
        with self._opened(spool.origin.uid, *_VOLUMES, _PREFIX + spool.origin.container) as directory:
            yield directory

    @contextmanager
    def _opened(self, *names: str) -> Iterator[int]:
        """Down from `pods_root`, following no symbolic link."""
        directory = os.open(self._pods_root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for name in names:
                below = os.open(name, _DIRECTORY, dir_fd=directory)
                os.close(directory)
                directory = below
            yield directory
        finally:
            os.close(directory)
