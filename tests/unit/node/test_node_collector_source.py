"""Files that change while they are copied."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from decnet_node.collector.source import PIECE, Content, Source, UnfitError, VanishedError

SIZE = 3 * PIECE


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[int]:
    (tmp_path / "spool").mkdir()
    (tmp_path / "spool" / "file-a-1").write_bytes(b"x" * SIZE)
    number = os.open(tmp_path / "spool", os.O_RDONLY)
    yield number
    os.close(number)


def _copy_while(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, spool: int, change: Callable[[Path], object]
) -> Content:
    """Copy; after the first piece was read, `change` happens to the file."""
    real = os.pread
    changes = [change]

    def pread(number: int, size: int, offset: int) -> bytes:
        data = real(number, size, offset)
        if changes:
            changes.pop()(tmp_path / "spool" / "file-a-1")
        return data

    monkeypatch.setattr(os, "pread", pread)
    with closing(Source(spool, "file-a-1")) as source:
        return source.copy(tmp_path / "copy", limit=10 * SIZE)


def test_one_that_grows_is_not_followed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, spool: int) -> None:
    content = _copy_while(monkeypatch, tmp_path, spool, lambda path: os.truncate(path, SIZE + 5))
    assert (content.size, content.missing, content.reason) == (SIZE, 5, "changed")


def test_of_one_that_shrinks_what_was_read_is_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, spool: int
) -> None:
    content = _copy_while(monkeypatch, tmp_path, spool, lambda path: os.truncate(path, 5))
    assert (content.size, content.missing, content.reason) == (PIECE, SIZE - PIECE, "changed")
    assert (tmp_path / "copy").stat().st_size == PIECE


def test_one_that_vanishes_is_whole(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, spool: int) -> None:
    content = _copy_while(monkeypatch, tmp_path, spool, lambda path: path.unlink())
    assert (content.size, content.missing, content.reason) == (SIZE, 0, None)


def test_one_that_is_replaced_is_the_old_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, spool: int
) -> None:
    def replace(path: Path) -> None:
        path.unlink()
        path.symlink_to("/etc/passwd")

    assert _copy_while(monkeypatch, tmp_path, spool, replace).size == SIZE
    assert (tmp_path / "copy").read_bytes() == b"x" * SIZE


def test_one_that_is_overwritten_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, spool: int) -> None:
    content = _copy_while(monkeypatch, tmp_path, spool, lambda path: path.write_bytes(b"y" * SIZE))
    assert (content.size, content.reason) == (SIZE, "changed")


def test_what_is_gone_or_no_file_is_said(tmp_path: Path, spool: int) -> None:
    with pytest.raises(VanishedError):
        Source(spool, "file-a-2")
    (tmp_path / "spool" / "file-a-3").symlink_to("file-a-1")
    os.mkfifo(tmp_path / "spool" / "file-a-4")
    for name in ("file-a-3", "file-a-4", "."):
        with pytest.raises(UnfitError, match="type"):
            Source(spool, name)
