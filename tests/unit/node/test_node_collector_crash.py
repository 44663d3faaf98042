"""The power goes at every single step of taking files: nothing is lost, nothing is told twice."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from decnet_node.collector.index import Index
from decnet_node.collector.intake import Intake
from decnet_node.collector.metrics import Metrics
from decnet_node.collector.spools import SpoolTree
from decnet_node.collector.store import Store

MIB = 1024 * 1024
_CUT = 77
FILES = {f"file-a-{number}": bytes([number]) * 300_000 for number in range(4)}


class Disk:
    """Counts the steps that change the disk; cuts the power before the one given, and forgets what was not synced.

    Contents that were written and not synced become zeros, names that were given in a directory that was
    not synced since are taken back. SQLite syncs by itself: its transactions are one step.
    """

    def __init__(self, folder: Path, cut_at: int) -> None:
        self._folder = folder
        self._cut_at = cut_at
        self.steps = 0
        self._unsynced: set[int] = set()
        self._renamed: list[tuple[Path, Path]] = []

    def _step(self) -> None:
        self.steps += 1
        if self.steps == self._cut_at:
            self._forget()
            os._exit(_CUT)

    def _forget(self) -> None:
        for new, old in reversed(self._renamed):
            if new.exists():
                new.rename(old)
        for path in self._folder.glob("state/*/*"):
            if path.stat().st_ino in self._unsynced:
                path.write_bytes(b"")

    def install(self, patch: pytest.MonkeyPatch) -> None:
        """Watch the calls that the collector makes."""
        real_write, real_fsync, real_unlink = os.write, os.fsync, os.unlink
        real_replace, real_transaction = Path.replace, Index.transaction

        def write(number: int, data: bytes) -> int:
            self._step()
            self._unsynced.add(os.fstat(number).st_ino)
            return real_write(number, data)

        def fsync(number: int) -> None:
            self._step()
            real_fsync(number)
            self._unsynced.discard(os.fstat(number).st_ino)
            synced = Path(f"/proc/self/fd/{number}").readlink()
            self._renamed = [names for names in self._renamed if names[0].parent != synced]

        def unlink(*arguments: Any, **options: Any) -> None:
            self._step()
            real_unlink(*arguments, **options)

        def replace(old: Path, new: Path) -> Path:
            self._step()
            self._renamed.append((new, old))
            return real_replace(old, new)

        @contextlib.contextmanager
        def transaction(index: Index) -> Iterator[None]:
            with real_transaction(index):
                yield
                self._step()
            self._step()

        for place, name, function in (
            (os, "write", write),
            (os, "fsync", fsync),
            (os, "unlink", unlink),
            (Path, "replace", replace),
            (Index, "transaction", transaction),
        ):
            patch.setattr(place, name, function)


def _collect(folder: Path, disk: Disk | None, use: Callable[[Store], None], **quotas: int) -> None:
    """A start of the collector, and everything it finds."""
    with pytest.MonkeyPatch.context() as patch:
        if disk is not None:
            disk.install(patch)
        store = Store(folder / "state", quotas.get("decky_bytes", 64 * MIB), 64 * MIB, MIB)
        try:
            tree = SpoolTree(folder / "logs", folder / "pods", "persona", store)
            intake = Intake(tree, store, MIB, Metrics(lambda: False))
            for spool in tree.scan():
                while intake.turn(spool).more:
                    pass
            use(store)
        finally:
            store.close()


def _collect_until(cut_at: int, folder: Path, **quotas: int) -> None:
    """The same in a process of its own, which is gone without a farewell at that step."""
    child = os.fork()
    if not child:
        try:
            _collect(folder, Disk(folder, cut_at), lambda _: None, **quotas)
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == _CUT


def _fill(folder: Path) -> Path:
    (folder / "logs" / "decnet_web_uid-web" / "persona").mkdir(parents=True)
    spool = folder / "pods" / "uid-web" / "volumes" / "kubernetes.io~empty-dir" / "spool-ssh"
    spool.mkdir(parents=True)
    for age, (name, data) in enumerate(FILES.items()):
        (spool / name).write_bytes(data)
        os.utime(spool / name, (age, age))
    (spool / "BAD").write_bytes(b"bad")
    os.utime(spool / "BAD", (99, 99))
    return spool


def _read(store: Store) -> tuple[dict[str, bytes], dict[str, int]]:
    """What waits by name, and the reports by (reason, name) with their bytes; both are dealt with then."""
    waiting, losses = {}, {}
    while (it := store.next_turn(False, "")) is not None:
        with os.fdopen(store.open_content(it), "rb") as file:
            assert it.offer.name not in waiting
            waiting[it.offer.name] = file.read()
        store.forget(it)
    while (lost := store.loss_to_tell()) is not None:
        assert f"{lost.reason} {lost.name}" not in losses
        losses[f"{lost.reason} {lost.name}"] = lost.bytes
        store.noted(lost)
    return waiting, losses


def _steps_of_a_whole_run(folder: Path, **quotas: int) -> int:
    disk = Disk(folder, cut_at=-1)
    _fill(folder)
    _collect(folder, disk, lambda _: None, **quotas)
    return disk.steps


def test_every_file_is_there_once_wherever_the_power_goes(tmp_path: Path) -> None:
    steps = _steps_of_a_whole_run(tmp_path / "whole")
    assert steps > 20
    for cut_at in range(1, steps + 1):
        folder = tmp_path / str(cut_at)
        spool = _fill(folder)
        _collect_until(cut_at, folder)
        found: list[tuple[dict[str, bytes], dict[str, int]]] = []
        _collect(folder, None, lambda store, found=found: found.append(_read(store)))
        assert found == [(FILES, {"name ": 3})], f"cut at step {cut_at}"
        assert list(spool.iterdir()) == []
        assert list((folder / "state" / "content").iterdir()) == []


def test_what_was_dropped_is_told_once_wherever_the_power_goes(tmp_path: Path) -> None:
    quota = {"decky_bytes": 700_000}
    steps = _steps_of_a_whole_run(tmp_path / "whole", **quota)
    for cut_at in range(1, steps + 1):
        folder = tmp_path / str(cut_at)
        spool = _fill(folder)
        _collect_until(cut_at, folder, **quota)
        found: list[tuple[dict[str, bytes], dict[str, int]]] = []
        _collect(folder, None, lambda store, found=found: found.append(_read(store)), **quota)
        ((waiting, losses),) = found
        names = [*waiting, *(name.removeprefix("backlog ") for name in losses if name != "name ")]
        assert sorted(names) == sorted(FILES), f"cut at step {cut_at}"
        assert all(data == FILES[name] for name, data in waiting.items())
        assert losses["name "] == 3
        assert list(spool.iterdir()) == []
