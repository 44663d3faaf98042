"""What the command line says."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torture.database import SPOILING
from torture.schedule import KINDS

_DESCRIPTION = """\
Numbered lines through the real pipe while everything in it dies.

Lines of many kinds are written into log files as the container runtime writes them, for the deckies of two
nodes. A decnet-forwarder for each node, two decnet-intel listeners and a Postgres 15 carry them to the table
`events`, all as processes on this machine, with breakable connections between them. Faults come at places that
follow from the seed alone. At the end every line written is compared with the rows: missing, duplicate,
altered, out of order; and so are the cursors of a reader that followed the table all the time. Of lines that the
forwarder may withhold, those that are there and those that were counted have to be those that were written.

What nobody could do is not asked for:
- A file is deleted only when the forwarder has got through it, or has it open; in the latter case the forwarder is
  not killed until it has got through. What only a dead process had open is gone.
- On a node whose state was damaged (corrupt_state) one in a thousand of the lines that may be withheld may be
  counted twice or not at all: where the clock ended a count is noted only in that state. And a line that
  began in a file that is deleted may leave its second half as a line. How many there were is printed. All other
  lines have to be there, once and in order, on such a node too.

Then rsyslog (imfile, and omfwd over TLS or omrelp over TLS, to a second rsyslogd that writes a file) gets the same
lines and those of the faults that make sense for it, and what it lost or doubled is printed beside.
"""

_EPILOG = """\
Needs PostgreSQL 15, libfaketime and rsyslog with its gnutls and relp modules: apt-get install postgresql-15
faketime rsyslog rsyslog-gnutls rsyslog-relp. Without root, the faults that need it (full disks, connections
that vanish) are left out, and the end says so.

Exit status: 0 when every line arrived once, unaltered and in order; 1 when not, or when the pipe did not recover
by itself; 2 for wrong arguments. What rsyslog did has no say in it.

Examples:
  PYTHONPATH=tests python -m torture --lines 100000 --faults 40 --seed 1
  PYTHONPATH=tests python -m torture --lines 2000000 --faults 300 --seed 7 --report torture.json
  PYTHONPATH=tests python -m torture --lines 5000 --faults 0 --spoil swap     # must fail
  PYTHONPATH=tests python -m torture --plan --faults 40 --seed 1              # which faults, and when
"""

PIPES = ("decnet", "rsyslog-tls", "rsyslog-relp")


@dataclass
class Options:
    """A run's sizes and choices."""

    lines: int = 10_000
    faults: int = 10
    seed: int = 1
    containers: int = 24
    rate: int = 20_000
    pending: int = 60_000
    pipes: tuple[str, ...] = PIPES
    spoil: str | None = None
    report: Path | None = None
    keep: bool = False
    plan: bool = False
    kinds: tuple[str, ...] = ()
    progress_seconds: float = 10.0


def parse(arguments: Sequence[str] | None = None) -> Options:
    """Options of a command line. Exits with status 2 when they are wrong."""
    default = Options()
    parser = argparse.ArgumentParser(
        "python -m torture", description=_DESCRIPTION, epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    add = parser.add_argument
    add("--lines", type=_count(100), default=default.lines, help=f"lines to write ({default.lines})")
    add(
        "--faults",
        type=_count(0),
        default=default.faults,
        help=f"faults while they are written ({default.faults})",
    )
    add("--seed", type=int, default=default.seed, help=f"decides lines and faults ({default.seed})")
    add(
        "--containers",
        type=_count(6),
        default=default.containers,
        help=f"log files at once ({default.containers})",
    )
    add("--rate", type=_count(100), default=default.rate, help=f"most lines a second ({default.rate})")
    add(
        "--pending", type=_count(1000), default=default.pending,
        help=f"lines that may be on their way; writing waits beyond, which bounds the disk ({default.pending})",
    )  # fmt: skip
    add(
        "--pipes", type=_pipes, default=default.pipes,
        help=f"which pipes to run, with commas ({','.join(default.pipes)})",
    )  # fmt: skip
    add(
        "--spoil", choices=sorted(SPOILING),
        help="damage the table before the comparison; the run must then fail, which shows that it can",
    )  # fmt: skip
    add("--report", type=Path, help="write what was found to this file, as JSON")
    add("--keep", action="store_true", help="keep the folder with the logs of the processes")
    add(
        "--kinds",
        type=_kinds,
        default=(),
        help=f"only faults of these kinds, with commas: {', '.join(KINDS)}",
    )
    add("--plan", action="store_true", help="print the faults and do nothing")
    return Options(**vars(parser.parse_args(arguments)))


def _count(least: int) -> type[int]:
    def count(text: str) -> int:
        number = int(text.replace("_", ""))
        if number < least:
            raise argparse.ArgumentTypeError(f"must be at least {least}")
        return number

    return count  # type: ignore[return-value]


def _kinds(text: str) -> tuple[str, ...]:
    kinds = tuple(part for part in text.split(",") if part)
    if set(kinds) - set(KINDS):
        raise argparse.ArgumentTypeError(f"some of {','.join(KINDS)}")
    return kinds


def _pipes(text: str) -> tuple[str, ...]:
    names = tuple(part for part in text.split(",") if part)
    if not names or set(names) - set(PIPES):
        raise argparse.ArgumentTypeError(f"some of {','.join(PIPES)}")
    return names
