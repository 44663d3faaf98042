"""CPU time and memory of process trees, from /proc."""

from __future__ import annotations

import contextlib
import os
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_SAMPLE_SECONDS = 0.5


def tree(root: int) -> list[int]:
    """`root` and all that it started, as far as they are alive."""
    children: dict[int, list[int]] = defaultdict(list)
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                children[int(_stat(int(entry.name))[1])].append(int(entry.name))
    found = [root]
    for pid in found:
        found += children[pid]
    return found


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the name, the state first."""
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()


def cpu_seconds(root: int) -> float:
    """User and system time of the tree, that of processes which ended and were waited for included."""
    total = 0
    for pid in tree(root):
        with contextlib.suppress(OSError):
            total += sum(map(int, _stat(pid)[11:15]))
    return total / _TICKS


def peak_mib(root: int) -> float:
    """The most resident memory that each process of the tree ever had, summed."""
    total = 0
    for pid in tree(root):
        with contextlib.suppress(OSError, IndexError):
            total += int(Path(f"/proc/{pid}/status").read_text().split("VmHWM:")[1].split()[0])
    return total / 1024


def shared_mib(root: int) -> float:
    """Memory of the tree now, each page that several processes share counted once."""
    total = 0
    for pid in tree(root):
        with contextlib.suppress(OSError, IndexError):
            total += int(Path(f"/proc/{pid}/smaps_rollup").read_text().split("\nPss:")[1].split()[0])
    return total / 1024


class Meter:
    """Measures the trees of `components` (name to process id) between its calls."""

    def __init__(self, components: Mapping[str, int]) -> None:
        self._components = components

    def cpu(self) -> dict[str, float]:
        """CPU seconds of each so far."""
        return {name: cpu_seconds(pid) for name, pid in self._components.items()}

    def peak(self) -> dict[str, float]:
        """Peak memory of each in MiB."""
        return {name: peak_mib(pid) for name, pid in self._components.items()}


class SharedPeak:
    """The most that `shared_mib` of a tree was while inside `watching`."""

    def __init__(self, root: int) -> None:
        self.mib = 0.0
        self._root = root
        self._done = threading.Event()

    @contextlib.contextmanager
    def watching(self) -> Iterator[SharedPeak]:
        """Look every half second."""
        watcher = threading.Thread(target=self._watch)
        watcher.start()
        try:
            yield self
        finally:
            self._done.set()
            watcher.join()

    def _watch(self) -> None:
        while True:
            self.mib = max(self.mib, shared_mib(self._root))
            if self._done.wait(_SAMPLE_SECONDS):
                return
