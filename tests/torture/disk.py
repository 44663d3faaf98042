"""A small disk that can be full from one moment to the next."""

from __future__ import annotations

import os
import subprocess
import threading
from pathlib import Path


class SmallDisk:
    """A tmpfs on `folder` of at most `size` bytes; without root an ordinary folder that is never full."""

    def __init__(self, folder: Path, size: int) -> None:
        self.folder = folder
        self._size = size
        self._lock = threading.Lock()
        folder.mkdir()
        self._mounted = os.geteuid() == 0
        if self._mounted:
            subprocess.run(
                ["mount", "-t", "tmpfs", "-o", f"size={size},mode=755", "torture", str(folder)], check=True
            )

    def fill(self, room: int) -> None:
        """Leave `room` bytes. (The limit comes down to what is used: no ballast has to be held in memory.)"""
        status = os.statvfs(self.folder)
        used = (status.f_blocks - status.f_bfree) * status.f_frsize
        self._resize(used + room)

    def free(self) -> None:
        """All of it may be used again."""
        self._resize(self._size)

    def _resize(self, size: int) -> None:
        with self._lock:
            # What was written meanwhile may be more than `size`: then the disk is as full as can be already.
            subprocess.run(
                ["mount", "-o", f"remount,size={max(size, 4096)}", str(self.folder)],
                check=False, stderr=subprocess.DEVNULL,
            )  # fmt: skip

    def close(self) -> None:
        """Take it away."""
        if self._mounted:
            subprocess.run(["umount", "-l", str(self.folder)], check=False)
