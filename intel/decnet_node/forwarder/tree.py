"""Which decky pods and containers there are under the log root.

A directory is listed again when its modification time changed, and all of them now and then in case a
file system keeps no such times. With 1,000 containers a scan is some 1,300 stat calls.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from decnet_node.forwarder.container import ContainerLog
from decnet_node.forwarder.files import Container, is_container_name, parse_pod_directory
from decnet_node.forwarder.state import Recalled
from decnet_node.forwarder.suppression import Rules

FULL_SCAN_SECONDS = 30.0
_FRESH_SECONDS = 1.0

Recall = Callable[[str, str], Recalled]
"""What is stored of (pod uid, container)."""


class _Directory:
    """A directory and whether it has to be listed again."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._modified = -1
        self._noticed_at = 0.0

    def changed(self, force: bool) -> bool:
        """Whether to list it. A directory that is gone counts as changed.

        One whose time of modification changed may change again within the same tick of the file
        system's clock, so it is listed for some time after; the wall clock plays no part.
        """
        now = time.monotonic()
        try:
            modified = os.stat(self.path).st_mtime_ns  # noqa: PTH116 - a thousand of these every 200 ms
        except OSError:
            self._modified = -1
            return True
        if modified != self._modified:
            self._modified = modified
            self._noticed_at = now
            return True
        return force or now - self._noticed_at < _FRESH_SECONDS

    def subdirectories(self) -> list[str]:
        """Names of the directories in it; none when it is gone."""
        try:
            with os.scandir(self.path) as entries:
                return [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
        except OSError:
            return []


class LogTree:
    """All containers of all decky pods. `scan` keeps it up to date."""

    def __init__(
        self, root: Path, marker: str, node: str, max_line: int, rules: Rules, recall: Recall
    ) -> None:
        self._root = _Directory(root)
        self._marker = marker
        self._node = node
        self._max_line = max_line
        self._rules = rules
        self._recall = recall
        self._pods: dict[str, _Directory] = {}
        self._containers: dict[Path, tuple[_Directory, ContainerLog]] = {}
        self._full_at = 0.0

    def __iter__(self) -> Iterator[ContainerLog]:
        return (log for _, log in self._containers.values())

    def __len__(self) -> int:
        return len(self._containers)

    def uids(self) -> set[str]:
        """The pods that have a directory."""
        return {log.container.uid for log in self}

    def scan(self) -> None:
        """Find new pods, containers and files; drop containers whose directory is gone and read."""
        now = time.monotonic()
        force = now - self._full_at >= FULL_SCAN_SECONDS
        if force:
            self._full_at = now
        if self._root.changed(force):
            names = [name for name in self._root.subdirectories() if parse_pod_directory(name)]
            self._pods = {name: self._pods.get(name) or _Directory(self._root.path / name) for name in names}
        for name, pod in self._pods.items():
            if pod.changed(force):
                self._list_pod(name, pod)
        gone = []
        for path, (directory, log) in self._containers.items():
            if directory.changed(force):
                log.rescan()
                if log.done:
                    gone.append(path)
        for path in gone:
            del self._containers[path]

    def _list_pod(self, name: str, pod: _Directory) -> None:
        identity = parse_pod_directory(name)
        containers = pod.subdirectories()
        if identity is None or self._marker not in containers:
            return
        for container in containers:
            path = pod.path / container
            if path not in self._containers and is_container_name(container):
                it = Container(*identity, container)
                recalled = self._recall(it.uid, it.name)
                log = ContainerLog(it, path, self._node, self._max_line, self._rules, recalled)
                self._containers[path] = (_Directory(path), log)

    def close(self) -> None:
        """Close every file."""
        for log in self:
            log.close()
