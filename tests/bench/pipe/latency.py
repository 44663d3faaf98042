"""How long from a line on the disk to a row that a reader may take, at a steady rate."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from bench.pipe.database import Database
from bench.pipe.ours import running
from bench.pipe.trust import Trust

_LOOK_SECONDS = 0.01
_WARM_UP_SECONDS = 2
_SETTLE_SECONDS = 60

_QUANTILES = """
select percentile_disc(array[0.5, 0.99, 1]) within group (order by extract(epoch from s.at - e.occurred_at)::float8)
from events e join seen s using (xid)
where e.occurred_at > (select min(occurred_at) from events) + make_interval(secs => %s)
"""


@dataclass(frozen=True)
class Latency:
    """Seconds, at `rate` lines a second that were really written."""

    rate: float
    lines: int
    p50: float
    p99: float
    longest: float


class _Reader:
    """Notes when each transaction came within a reader's sight: every 10 ms, by the reader's rule."""

    def __init__(self, url: str) -> None:
        self.looks: list[tuple[int, datetime]] = []
        self._url = url
        self._done = threading.Event()

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        thread = threading.Thread(target=self._read)
        thread.start()
        try:
            yield
        finally:
            self._done.set()
            thread.join()

    def _read(self) -> None:
        query = "select pg_snapshot_xmin(pg_current_snapshot())::text"
        with psycopg.connect(self._url, autocommit=True) as connection:
            while not self._done.wait(_LOOK_SECONDS):
                row = connection.execute(query).fetchone()
                assert row is not None
                xmin = int(row[0])
                if not self.looks or xmin > self.looks[-1][0]:
                    self.looks.append((xmin, datetime.now(UTC)))

    def has_seen(self, database: Database) -> bool:
        """Whether every row that there is now was visible at the last look."""
        last = database.ask("select xid::text from events order by xid desc limit 1")
        return bool(self.looks) and self.looks[-1][0] > int(last)

    def save(self, database: Database) -> None:
        """Write the table `seen`: each transaction with rows, and when it was first visible."""
        database.do("create table seen (xid xid8 primary key, at timestamptz not null)")
        database.do("create temporary table looks (horizon xid8 not null, at timestamptz not null)")
        database.do(
            "insert into looks select x::xid8, at from unnest(%s::text[], %s::timestamptz[]) as l (x, at)",
            [str(xmin) for xmin, _ in self.looks],
            [at for _, at in self.looks],
        )
        database.do(
            "insert into seen select e.xid, (select min(at) from looks where horizon > e.xid)"
            " from (select distinct xid from events) e"
        )


def measure_latency(
    folder: Path, trust: Trust, database: Database, files: int, rate: float, seconds: float
) -> Latency:
    """Write `rate` lines a second for `seconds`, wait for the rows, compare their times.

    Suppression is off, so that each line is a row. Raises TimeoutError when the rows do not come.
    """
    root = folder / "pods"
    root.mkdir()
    reader = _Reader(database.url)
    words = [sys.executable, "-m", "bench.pipe.paced", str(root), str(files), str(rate), str(seconds)]
    with running(folder, root, trust, database, suppress_seconds="0") as pipe, reader.reading():
        written = json.loads(subprocess.run(words, check=True, capture_output=True).stdout)
        deadline = time.monotonic() + _SETTLE_SECONDS
        while database.counted() < written["lines"] or not reader.has_seen(database):
            pipe.check()
            if time.monotonic() > deadline:
                raise TimeoutError(f"{database.counted()} rows of {written['lines']} lines")
            time.sleep(0.1)
    reader.save(database)
    p50, p99, longest = database.ask(_QUANTILES, _WARM_UP_SECONDS)
    return Latency(written["lines"] / written["seconds"], written["lines"], p50, p99, longest)
