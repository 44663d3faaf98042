"""A bare COPY of rows that are parsed already, by psycopg in a process of its own.

    python -m bench.pipe.copying URL TABLE COLUMNS FILE LINES_PER_COMMIT

FILE is COPY's text format. LINES_PER_COMMIT 0 is one transaction for all. Prints seconds, CPU and memory.
"""

from __future__ import annotations

import itertools
import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import psycopg

from bench.pipe.database import Database
from bench.pipe.run import Run
from bench.pipe.usage import SharedPeak, cpu_seconds

_BLOCK = 500  # lines handed to psycopg at once

COPIES = {
    "copy": ("keyed", 0),
    "copy-5000": ("keyed", 5000),
    "copy-bare": ("bare", 0),
}
"""Name to table and lines a commit."""

_TABLES = """
create table keyed (like events including defaults including constraints including indexes including identity);
create table bare (like events including defaults);
alter table bare alter column id add generated always as identity;
"""

_GIVEN = """
select string_agg(quote_ident(column_name), ', ' order by ordinal_position) from information_schema.columns
where table_name = 'events' and table_schema = current_schema() and column_default is null and is_identity = 'NO'
"""
"""The columns that the listener fills in; the others have defaults."""


def export_rows(database: Database, file: Path) -> None:
    """Write the rows of `database`, as they were stored, to `file`."""
    columns = database.ask(_GIVEN)
    query = f"copy (select {columns} from events order by id) to stdout"
    with (
        psycopg.connect(database.url) as connection,
        connection.cursor().copy(query) as copy,
        file.open("wb") as out,
    ):
        for block in copy:
            out.write(block)


def run_copy(name: str, lines: int, rows: Path, database: Database, seconds: float) -> Run:
    """COPY the exported rows. Raises subprocess.TimeoutExpired."""
    table, commit = COPIES[name]
    columns = database.ask(_GIVEN)
    database.do(_TABLES)
    words = [sys.executable, "-m", "bench.pipe.copying", database.url, table, columns, str(rows), str(commit)]
    memory = SharedPeak(database.server_pid)
    before = cpu_seconds(database.server_pid)
    with memory.watching():
        done = subprocess.run(words, check=True, capture_output=True, timeout=seconds)
    postgres = cpu_seconds(database.server_pid) - before
    told = json.loads(done.stdout)
    stored = database.ask(f"select count(*) from {table}")
    assert stored == lines, f"{name}: {stored} rows of {lines}"
    cpu = {"client": told["cpu"], "postgres": postgres}
    return Run(
        name,
        lines,
        lines / told["seconds"],
        lines / told["seconds"],
        cpu,
        {part: spent / lines * 1e6 for part, spent in cpu.items()},
        {"client": told["mib"], "postgres": memory.mib},
        True,
    )


def _blocks(file: BinaryIO, lines: int) -> Iterator[bytes]:
    """`file` in blocks of _BLOCK lines, `lines` in all; 0 is the whole file."""
    left = itertools.count() if not lines else range(0, lines, _BLOCK)
    for _ in left:
        block = b"".join(itertools.islice(file, _BLOCK))
        if not block:
            return
        yield block


def main() -> None:
    """Copy, and say how long it took."""
    url, table, columns, name, commit = sys.argv[1:]
    statement = f"copy {table} ({columns}) from stdin"
    with psycopg.connect(url) as connection, Path(name).open("rb") as file:
        before = resource.getrusage(resource.RUSAGE_SELF)
        started = time.monotonic()
        while file.peek(1):
            with connection.cursor().copy(statement) as copy:
                for block in _blocks(file, int(commit)):
                    copy.write(block)
            connection.commit()
        seconds = time.monotonic() - started
        after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(json.dumps({"seconds": seconds, "cpu": cpu, "mib": after.ru_maxrss / 1024}))


if __name__ == "__main__":
    main()
