"""Content as files of a folder: `<folder>/ab/abcd…`, put there by renaming and never written to again."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import re
import stat
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from decnet_intel.artifacts.store import CHUNK_BYTES, MissingContentError, key_of

_SHARD = re.compile(r"[0-9a-f]{2}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


def sync_directory(folder: Path) -> None:
    """Make the names in `folder` survive a power cut."""
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def make_directory(folder: Path) -> None:
    """Make `folder` (its parent exists) unless it is there, surviving a power cut."""
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o770)
        sync_directory(folder.parent)


class DirectoryStore:
    """A `ContentStore` in a folder, which several processes may share."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def has(self, sha256: str, size: int) -> bool:
        return await asyncio.to_thread(self._has, sha256, size)

    async def put(self, sha256: str, file: Path) -> None:
        await asyncio.to_thread(self._put, sha256, file)

    async def read(self, sha256: str) -> AsyncIterator[bytes]:
        try:
            file = await asyncio.to_thread(io.FileIO, self._path(sha256), opener=_open_no_link)
        except FileNotFoundError as error:
            raise MissingContentError(sha256) from error
        return _pieces(file)

    async def delete(self, sha256: str) -> None:
        await asyncio.to_thread(self._path(sha256).unlink, missing_ok=True)

    async def older_than(self, seconds: float) -> AsyncIterator[str]:
        shards = await asyncio.to_thread(lambda: sorted(_names(self._folder, _SHARD)))
        for shard in shards:
            for sha256 in await asyncio.to_thread(self._old, shard, time.time() - seconds):
                yield sha256

    def _path(self, sha256: str) -> Path:
        return self._folder / key_of(sha256)

    def _has(self, sha256: str, size: int) -> bool:
        try:
            found = self._path(sha256).lstat()
        except FileNotFoundError:
            return False
        return stat.S_ISREG(found.st_mode) and found.st_size == size

    def _put(self, sha256: str, file: Path) -> None:
        path = self._path(sha256)
        make_directory(path.parent)
        os.replace(file, path)  # noqa: PTH105 (atomic, as the docs of os say)
        sync_directory(path.parent)

    def _old(self, shard: str, before: float) -> list[str]:
        old = []
        for name in _names(self._folder / shard, _SHA256):
            with contextlib.suppress(FileNotFoundError):
                found = (self._folder / shard / name).lstat()
                if max(found.st_mtime, found.st_ctime) < before:
                    old.append(name)
        return old


def _names(folder: Path, form: re.Pattern[str]) -> Iterator[str]:
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            if form.fullmatch(entry.name):
                yield entry.name


def _open_no_link(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW)


async def _pieces(file: io.FileIO) -> AsyncIterator[bytes]:
    with file:
        while piece := await asyncio.to_thread(file.read, CHUNK_BYTES):
            yield piece
