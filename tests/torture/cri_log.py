"""One container's log directory, as containerd writes and kubelet rotates it.

Records may be torn anywhere by the end of a write, lines may be spread over records and files.
"""

from __future__ import annotations

import gzip
import os
import random
import shutil
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from torture.clock import Clock
from torture.ledger import REST_LENGTH, Account
from torture.lines import Source, Written, as_text

RUNTIME_PIECE = 16 * 1024
"""Content bytes of one record: containerd splits there."""

ROTATE_BYTES = 4 * 1024 * 1024
_KEPT = 4
_KEPT_SECONDS = 30.0


@dataclass
class Rotated:
    """A file that is not written any more.

    `last` is the number of the last line that began in it, `first_time` what the runtime wrote first into it, `rests`
    are what lines that began in it say in the next one.
    """

    path: Path
    last: int
    since: float
    first_time: str
    size: int
    rests: set[str]
    stays_plain: bool = False


class CriLog:
    """Writes lines, and does to the files what kubelet does. Used by one thread."""

    def __init__(
        self,
        directory: Path,
        account: Account,
        source: Source,
        clock: Clock,
        seed: str,
        saved: Callable[[str], int] | None = None,
    ) -> None:
        self.account = account
        self.directory = directory
        self.clock = clock
        directory.mkdir(parents=True)
        self._source = source
        self._saved = saved
        self._dice = random.Random(seed)
        self._records: deque[bytes] = deque()
        self._torn = b""
        self._instance = 0
        self._second = (0, b"")
        self._stamp = 0
        self._rotated: list[Rotated] = []
        self._open()

    def _open(self) -> None:
        self.path = self.directory / f"{self._instance}.log"
        self._file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
        self.size = os.fstat(self._file).st_size

    def write(self, lines: int) -> None:
        """The next `lines` lines; the last record may be left torn, or the last line without its end."""
        for _ in range(lines):
            if self._dice.random() < 0.005:
                self._interleaved()
            else:
                self._append(self._next()[0], b"stdout")
        keep = self._dice.choice((0, 0, 0, 1, 2)) if len(self._records) > 2 else 0
        out = self._torn + b"".join([self._records.popleft() for _ in range(len(self._records) - keep)])
        self._torn = b""
        if self._dice.random() < 0.2:
            at = self._dice.randrange(len(out))
            out, self._torn = out[:at], out[at:]
        self._put(out)

    def _put(self, out: bytes) -> None:
        self.size += os.write(self._file, out)

    def _next(self) -> tuple[Written, int]:
        now = self.clock.now_ns()
        when = datetime.fromtimestamp(now // 10**9, UTC).replace(microsecond=now // 1000 % 10**6)
        line = self._source.line(len(self.account), when)
        self.account.add(line)
        return line, now

    def _append(self, line: Written, stream: bytes) -> None:
        when = self._time(line.told.occurred_at)
        pieces = self._pieces(line.content)
        for piece in pieces[:-1]:
            self._records.append(b"%b %b P %b\n" % (when, stream, piece))
        self._records.append(b"%b %b F %b\n" % (when, stream, pieces[-1]))

    def _time(self, when: datetime) -> bytes:
        """RFC 3339 with nine digits; the last three only make files' beginnings differ."""
        second = int(when.timestamp())
        if self._second[0] != second:
            self._second = (second, when.strftime("%Y-%m-%dT%H:%M:%S").encode())
        return b"%b.%06d%03dZ" % (self._second[1], when.microsecond, self._dice.randrange(1000))

    def _pieces(self, content: bytes) -> list[bytes]:
        """How the runtime splits a line: mostly by size, sometimes anywhere, sometimes not at all."""
        roll = self._dice.random()
        if roll < 0.01 and len(content) > 2:
            at = self._dice.randrange(1, len(content))
            return [content[:at], content[at:]]
        if len(content) <= RUNTIME_PIECE or roll > 0.95:
            return [content]
        return [content[at : at + RUNTIME_PIECE] for at in range(0, len(content), RUNTIME_PIECE)]

    def _interleaved(self) -> None:
        """A line on stderr in the middle of one on stdout, which ends later and so has the later number."""
        first, _ = self._next()
        second, _ = self._next()
        middle = len(second.content) // 2
        when = self._time(second.told.occurred_at)
        self._records.append(b"%b stdout P %b\n" % (when, second.content[:middle]))
        self._append(first, b"stderr")
        self._records.append(b"%b stdout F %b\n" % (when, second.content[middle:]))

    def _whole_records(self) -> None:
        """The runtime never leaves half a record behind in a file."""
        self._put(self._torn)
        self._torn = b""

    def finish(self) -> None:
        """Write all that is held back."""
        self._put(self._torn + b"".join(self._records))
        self._torn = b""
        self._records.clear()

    def _rotated_path(self) -> Path:
        """kubelet's name for a rotated file; never the same twice."""
        self._stamp = max(self._stamp + 1, self.clock.now_ns() // 10**9)
        return self.path.with_name(
            f"{self.path.name}.{datetime.fromtimestamp(self._stamp, UTC):%Y%m%d-%H%M%S}"
        )

    def rotate(self, *, stays_plain: bool = False) -> Rotated:
        """By renaming; what was rotated before is compressed. Gives the rotated file."""
        self._whole_records()
        for old in self._rotated:
            plain = old.stays_plain or old.path.suffix == ".gz"
            if not plain and old.path.name.startswith(self.path.name):
                old.path = _compress(old.path)
        target = self._rotated_path()
        self.path.rename(target)
        rotated = self._is_over(target)
        rotated.stays_plain = stays_plain
        os.close(self._file)
        self._open()
        self.tidy()
        return rotated

    def _is_over(self, path: Path) -> Rotated:
        with path.open("rb") as file:
            first_time = file.read(64).partition(b" ")[0].decode()
            size = os.fstat(file.fileno()).st_size
        rests = _rests(self._records)
        rotated = Rotated(path, len(self.account) - 1, time.monotonic(), first_time, size, rests)
        self._rotated.append(rotated)
        return rotated

    def copy_truncate(self) -> None:
        """By copying the file and emptying it."""
        self._whole_records()
        target = self._rotated_path()
        shutil.copy(self.path, target)
        os.truncate(self._file, 0)
        self.size = 0
        self._is_over(target)

    def restart(self) -> None:
        """The container ends and is started again, with a new file."""
        self.finish()
        self._is_over(self.path)
        os.close(self._file)
        self._instance += 1
        self._open()

    def got_through(self, file: Rotated) -> bool:
        """Whether the sender, killed now, would lose nothing by never seeing `file` again."""
        if self._saved is None:
            return self.account.highest >= file.last
        return self._saved(file.first_time) >= file.size

    def delete(self, file: Rotated) -> None:
        """Delete a rotated file."""
        self._rotated.remove(file)
        file.path.unlink()
        self.account.orphans |= file.rests

    def tidy(self) -> None:
        """Delete the oldest files, as kubelet does, but only what the sender has got through: the disk is bounded
        by back-pressure, and a line that nobody could read is nobody's loss."""
        while len(self._rotated) > _KEPT:
            old = self._rotated[0]
            if time.monotonic() - old.since < _KEPT_SECONDS or not self.got_through(old):
                return
            self.delete(old)

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


def _rests(records: Iterable[bytes]) -> set[str]:
    """What `records` begin with on each stream, up to the end of a line."""
    rests = {b"stdout": b"", b"stderr": b""}
    ended: set[str] = set()
    for record in records:
        _, stream, tag, content = record[:-1].split(b" ", 3)
        if stream in rests:
            rests[stream] += content
            if tag == b"F":
                ended.add(as_text(rests.pop(stream))[:REST_LENGTH])
    return ended


def _compress(path: Path) -> Path:
    packed = path.with_name(path.name + ".tmp")
    with path.open("rb") as source, gzip.open(packed, "wb", compresslevel=1) as target:
        shutil.copyfileobj(source, target)
    done = path.with_name(path.name + ".gz")
    packed.rename(done)
    path.unlink()
    return done
