"""Writes event lines at a steady rate, each with the time at which it was written; a process of its own.

    python -m bench.pipe.paced ROOT FILES LINES_PER_SECOND SECONDS

Prints how many lines it wrote and in how many seconds.
"""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from bench.pipe.corpus import container_directories, event_lines, record
from decnet_events.rfc5424 import format_timestamp

_TICK = 0.01  # seconds between two writes
_STOCK = 600  # different lines of one file
_THEN = datetime(2000, 1, 1, tzinfo=UTC)
_PLACE = format_timestamp(_THEN)[:-1]


class _File:
    """A log file, and the lines that are written to it again and again, without their times."""

    def __init__(self, directory: Path) -> None:
        self._file: BinaryIO = (directory / "0.log").open("ab", buffering=0)
        self._stock = [
            record(line._replace(timestamp=_THEN), f"{_PLACE}Z") for line in event_lines(directory, _STOCK)
        ] * 2
        self._at = 0

    def write(self, lines: int) -> None:
        while lines > 0:
            some = min(lines, _STOCK)
            block = b"".join(self._stock[self._at : self._at + some])
            self._at = (self._at + some) % _STOCK
            now = format_timestamp(datetime.now(UTC))[:-1]
            self._file.write(block.replace(_PLACE.encode(), now.encode()))
            lines -= some


def main() -> None:
    """Write until the time is over."""
    root, files, rate, seconds = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4])
    logs = [_File(directory) for directory in container_directories(root, files)]
    written = [0] * files
    started = time.monotonic()
    tick = 0
    while (elapsed := time.monotonic() - started) < seconds:
        for number, log in enumerate(logs):
            due = int(elapsed * rate / files) - written[number]
            log.write(due)
            written[number] += due
        tick += 1
        time.sleep(max(0.0, started + tick * _TICK - time.monotonic()))
    print(json.dumps({"lines": sum(written), "seconds": time.monotonic() - started}))


if __name__ == "__main__":
    main()
