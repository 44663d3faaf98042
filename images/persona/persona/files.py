"""Whole small files. (Importing pathlib would cost each of these containers another megabyte.)"""

from __future__ import annotations

import contextlib
import os

_SIZE = 64 * 1024


def read(path: str) -> str:
    """The first 64 KiB. Raises OSError."""
    fd = os.open(path, os.O_RDONLY)
    try:
        return os.read(fd, _SIZE).decode(errors="replace")
    finally:
        os.close(fd)


def write(path: str, text: str) -> None:
    """Make the file contain `text`. Raises OSError."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


def remove(path: str) -> None:
    """Remove the file if it is there. Raises OSError."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)  # noqa: PTH108
