"""The forwarder's key and certificates on the node's disk. The key is made here and never leaves."""

from __future__ import annotations

import os
from pathlib import Path


class TlsFiles:
    """tls.key, tls.crt and ca.crt in one directory, and the key of a request that is under way.

    Each file is replaced whole and is on the disk before it has its name. Key and certificate are two
    files: a reader that meets a pair that does not fit tries again, and so do we after a crash in between.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def read(self, name: str) -> bytes:
        """Content of a file, empty when there is none."""
        try:
            return (self._directory / name).read_bytes()
        except FileNotFoundError:
            return b""

    def write(self, name: str, content: bytes) -> None:
        """Replace a file, mode 0600, unless it has this content already."""
        path = self._directory / name
        if self.read(name) == content and path.stat().st_mode & 0o777 == 0o600:
            return
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        temporary = self._directory / f".{name}.new"
        temporary.unlink(missing_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(path)
        directory = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def remove(self, name: str) -> None:
        """Delete a file if it is there."""
        (self._directory / name).unlink(missing_ok=True)
