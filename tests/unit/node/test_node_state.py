"""The stored offsets after a power cut: whatever its files look like, they are those of one moment, or none."""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from decnet_node.forwarder.state import FileKey, OffsetStore, Recalled

_KEYS = [FileKey(f"uid-{n}", "ssh", f"2025-01-01T00:00:00.{n:09d}Z") for n in range(60)]
_SAVES = 30
_MARK = 1_000_003


def _position(save: int, key: int) -> int:
    return save * 10_007 + key


@cache
def _moments() -> list[Recalled]:
    """What was stored after each save, and before the first."""
    moments = [Recalled({}, {})]
    for save in range(1, _SAVES + 1):
        some = {key.gen: _position(save, n) for n, key in enumerate(_KEYS) if (n + save) % 3}
        before = moments[-1]
        moments.append(Recalled({**before.positions, **some}, {**before.marks, _KEYS[save].gen: [_MARK]}))
    return moments


def _all(store: OffsetStore) -> Recalled:
    """Everything stored, by generation."""
    found = Recalled({}, {})
    for key in _KEYS:
        recalled = store.recall(key.uid, key.container)
        found.positions.update(recalled.positions)
        found.marks.update(recalled.marks)
    return found


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of a store in use, part of it in the database and part in its log, as a dead machine leaves them."""
    directory = tmp_path_factory.mktemp("running")
    store = OffsetStore(directory / "live")
    for save in range(1, _SAVES + 1):
        some = {key: _position(save, n) for n, key in enumerate(_KEYS) if (n + save) % 3}
        store.save(some, {_KEYS[save]: _MARK})
        if save == _SAVES // 2:
            with sqlite3.connect(directory / "live" / "offsets.db") as other:
                other.execute("PRAGMA wal_checkpoint(PASSIVE)")
            other.close()
    shutil.copytree(directory / "live", directory / "dead")
    store.close()
    assert {path.name for path in (directory / "dead").iterdir()} == {
        "offsets.db",
        "offsets.db-wal",
        "offsets.db-shm",
    }
    return directory / "dead"


def _assert_of_one_moment(directory: Path, damage: str) -> Recalled:
    store = OffsetStore(directory)
    found = _all(store)
    assert found in _moments(), damage
    store.save({_KEYS[0]: 10**9}, {})
    store.close()
    store = OffsetStore(directory)
    assert store.recall(_KEYS[0].uid, "ssh").positions == {_KEYS[0].gen: 10**9}, damage
    store.close()
    return found


def _damaged(source: Path, target: Path, name: str, change: Callable[[bytearray], None]) -> Path:
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target)
    content = bytearray((source / name).read_bytes())
    change(content)
    (target / name).write_bytes(content)
    return target


def _points(size: int) -> Iterator[int]:
    """Every boundary of a sector, the bytes around it, and some between."""
    yield from (at for start in range(0, size + 1, 4096) for at in (start - 1, start, start + 1) if at >= 0)
    yield from range(0, min(size, 200), 7)
    yield from random.Random(1).sample(range(size), min(size, 30))


def test_after_a_clean_copy_everything_is_there(running: Path, tmp_path: Path) -> None:
    shutil.copytree(running, tmp_path / "state")
    found = _assert_of_one_moment(tmp_path / "state", "none")
    assert found == _moments()[-1]


@pytest.mark.parametrize("name", ["offsets.db", "offsets.db-wal", "offsets.db-shm"])
def test_a_file_that_ends_anywhere(running: Path, tmp_path: Path, name: str) -> None:
    for at in _points((running / name).stat().st_size):
        state = _damaged(
            running, tmp_path / "state", name, lambda content, at=at: content.__delitem__(slice(at, None))
        )
        _assert_of_one_moment(state, f"{name} ends at {at}")


@pytest.mark.parametrize("name", ["offsets.db", "offsets.db-wal", "offsets.db-shm"])
@pytest.mark.parametrize("size", [1, 512, 4096])
@pytest.mark.parametrize("filling", ["NUL", "noise"])
def test_a_block_of_something_else(running: Path, tmp_path: Path, name: str, size: int, filling: str) -> None:
    dice = random.Random(size)
    length = (running / name).stat().st_size
    header = range(100 if size == 1 else 1)
    for start in sorted({*header, *(dice.randrange(0, length) // size * size for _ in range(60))}):
        block = bytes(size) if filling == "NUL" else dice.randbytes(size)
        state = _damaged(
            running,
            tmp_path / "state",
            name,
            lambda content, at=start, block=block: content.__setitem__(slice(at, at + len(block)), block),
        )
        _assert_of_one_moment(state, f"{size} bytes of {filling} at {start} of {name}")


@pytest.mark.parametrize("lost", ["offsets.db", "offsets.db-wal", "offsets.db-shm"])
def test_a_lost_or_empty_file(running: Path, tmp_path: Path, lost: str) -> None:
    state = _damaged(running, tmp_path / "state", lost, bytearray.clear)
    _assert_of_one_moment(state, f"{lost} is empty")
    shutil.rmtree(state)
    shutil.copytree(running, state)
    (state / lost).unlink()
    _assert_of_one_moment(state, f"{lost} is gone")


def test_offsets_never_go_back_and_marks_go_when_passed(tmp_path: Path) -> None:
    key, other = FileKey("u", "c", "g"), FileKey("u", "c", "h")
    store = OffsetStore(tmp_path)
    store.save({key: 10}, {key: 20})
    store.save({}, {key: 30})
    store.save({key: 5, other: 1}, {})
    assert store.recall("u", "c") == Recalled({"g": 10, "h": 1}, {"g": [20, 30]})
    store.save({key: 20}, {})
    store.close()
    store = OffsetStore(tmp_path)
    assert store.recall("u", "c") == Recalled({"g": 20, "h": 1}, {"g": [30]})
    assert store.prune({"u"}, -1) == 0
    assert store.prune(set(), -1) == 1
    assert store.recall("u", "c") == Recalled({}, {})
    assert not store.was_broken
    store.close()


def test_a_directory_that_cannot_be_written_is_tried_again(tmp_path: Path) -> None:
    blocked = tmp_path / "state"
    blocked.write_text("not a directory")
    store = OffsetStore(blocked)
    assert store.recall("u", "c") == Recalled({}, {})
    with pytest.raises(OSError, match="exists"):
        store.save({FileKey("u", "c", "g"): 1}, {})
    blocked.unlink()
    store.save({FileKey("u", "c", "g"): 1}, {})
    assert store.recall("u", "c").positions == {"g": 1}
    store.close()
    assert blocked.stat().st_mode & 0o777 == 0o700
