"""The wall clock of one machine, which can be stepped: libfaketime reads the offset from a file.

The monotonic clock is left alone, as a step leaves it. Times of files stay true.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

LIBRARY = Path(f"/usr/lib/{os.uname().machine}-linux-gnu/faketime/libfaketimeMT.so.1")


class Clock:
    """Wall clock of a machine: the true one plus `offset` seconds."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.offset = 0.0
        self.step(0.0)

    @property
    def environment(self) -> dict[str, str]:
        """For processes of this machine."""
        return {
            "LD_PRELOAD": str(LIBRARY),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }

    def step(self, offset: float) -> None:
        """From now on (processes notice within a second) the clock is `offset` seconds off."""
        fresh = self._file.with_suffix(".new")
        fresh.write_text(f"{offset:+.3f}\n")
        fresh.rename(self._file)
        self.offset = offset

    def now_ns(self) -> int:
        """Nanoseconds since 1970 on this machine."""
        return time.time_ns() + int(self.offset * 1e9)


def forget_process(pid: int) -> None:
    """Remove what libfaketime leaves in shared memory when a process is killed."""
    for path in (f"/dev/shm/faketime_shm_{pid}", f"/dev/shm/sem.faketime_sem_{pid}"):
        Path(path).unlink(missing_ok=True)
