"""`make bench-pipe`: every way in turn, round after round, on the same files, cores and Postgres."""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench.pipe import report
from bench.pipe.copying import COPIES, export_rows, run_copy
from bench.pipe.corpus import RECORD_BYTES, Corpus, write_corpus
from bench.pipe.database import Server
from bench.pipe.latency import measure_latency
from bench.pipe.ours import run_ours
from bench.pipe.profile import profile_machine, profile_python
from bench.pipe.rsyslog import WAYS, run_rsyslog
from bench.pipe.run import Run
from bench.pipe.trust import Trust, make_trust

NAMES = ("ours", *WAYS, *COPIES)


class Bench:
    """One session: a Postgres server, certificates, and a folder that goes at the end."""

    def __init__(self, folder: Path, options: argparse.Namespace) -> None:
        self._folder = folder
        self._options = options
        self._steps = 0
        self.server = Server(folder / "postgres")

    def rounds(self, corpus: Corpus, names: tuple[str, ...]) -> list[Run]:
        """Each of `names` in turn, in every other round from the last to the first."""
        rows = self._folder / f"rows-{corpus.files}"
        runs: list[Run] = []
        for number in range(self._options.rounds):
            print(f"round {number + 1}, {corpus.lines:,} lines in {corpus.files:,} files", flush=True)
            for name in names if number % 2 == 0 else reversed(names):
                runs.append(self._run(name, corpus, rows))
                print(report.describe(runs[-1]), flush=True)
        rows.unlink(missing_ok=True)
        return runs

    def _run(self, name: str, corpus: Corpus, rows: Path) -> Run:
        folder, trust = self._step()
        if name in WAYS:
            return run_rsyslog(name, corpus, folder, trust, self._options.seconds)
        if name in COPIES and not rows.exists():
            self._export(corpus, rows)
        with self.server.database() as database:
            if name in COPIES:
                return run_copy(name, corpus.lines, rows, database, self._options.seconds)
            return run_ours(corpus, folder, trust, database, self._options.seconds)

    def _export(self, corpus: Corpus, rows: Path) -> None:
        """The rows as our own pipe stores them."""
        folder, trust = self._step()
        with self.server.database() as database:
            run_ours(corpus, folder, trust, database, 10 * self._options.seconds)
            export_rows(database, rows)

    def latency(self, rate: float) -> None:
        """Print the time from line to row at `rate`."""
        folder, trust = self._step()
        with self.server.database() as database:
            it = measure_latency(
                folder, trust, database, self._options.files, rate, self._options.latency_seconds
            )
        print(
            f"\nline written to row visible at {it.rate:,.0f} lines/s ({it.lines:,} lines):"
            f" p50 {it.p50 * 1000:.0f} ms, p99 {it.p99 * 1000:.0f} ms, longest {it.longest * 1000:.0f} ms"
        )

    def profile(self, corpus: Corpus) -> None:
        """Print where our own time goes."""
        for profile in (profile_python, profile_machine) if shutil.which("perf") else (profile_python,):
            folder, trust = self._step()
            with self.server.database() as database:
                run = profile(corpus, folder, trust, database, self._options.seconds)
            print(f"\nunder this profiler:\n{report.describe(run)}", flush=True)

    def _step(self) -> tuple[Path, Trust]:
        """A folder and certificates for one run."""
        if self._steps:
            shutil.rmtree(self._folder / f"step-{self._steps}", ignore_errors=True)
        self._steps += 1
        folder = self._folder / f"step-{self._steps}"
        folder.mkdir()
        return folder, make_trust(folder / "trust")


def make_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="bench.pipe",
        description="Lines a second, CPU, memory and latency of our pipe beside rsyslog's and a bare COPY.",
        epilog="ways: "
        + "; ".join(f"{name}: {text}" for name, text in report.MEANING.items())
        + ". DECNET_LISTENER_… and DECNET_FORWARDER_… in the environment reach our processes.",
    )
    add = parser.add_argument
    add("--rounds", type=int, default=3, help="rounds of every way (default 3)")
    add("--lines", type=int, default=500_000, help="lines of a run (default 500,000)")
    add("--files", type=int, default=10, help="files they are in (default 10)")
    add("--many", type=int, default=1000, help="files of the second part; 0 leaves it out (default 1,000)")
    add("--seconds", type=float, default=60, help="longest run (default 60)")
    add(
        "--latency-seconds",
        type=float,
        default=20,
        help="how long to write at half the rate; 0: not (default 20)",
    )
    add("--rate", type=float, help="lines a second for the latency instead of half of what was measured")
    add("--ways", type=_ways, default=NAMES, help=f"comma-separated, of {','.join(NAMES)} (default all)")
    add("--cores", type=int, default=2, help="cores that everything is pinned to (default 2)")
    add("--dir", type=Path, default=Path(tempfile.gettempdir()), help="where files and Postgres' data go")
    add(
        "--profile",
        action="store_true",
        help="run ours once more under py-spy (and perf) and print the shares",
    )
    return parser


def _ways(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    if unknown := set(names) - set(NAMES):
        raise argparse.ArgumentTypeError(f"no such way: {', '.join(sorted(unknown))}")
    return names


def _pin(cores: int) -> list[int]:
    """Pin this process, and so all that it starts."""
    chosen = sorted(os.sched_getaffinity(0))[:cores]
    os.sched_setaffinity(0, chosen)
    return chosen


def _machine(cores: list[int], folder: Path, server: Server) -> Iterator[str]:
    model = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    yield f"cores {','.join(map(str, cores))} of {model[0].split(':')[1].strip() if model else platform.machine()}"
    mounts = [line.split()[:3] for line in Path("/proc/mounts").read_text().splitlines()]
    under = [(place, kind) for _, place, kind in mounts if folder.is_relative_to(place)]
    yield f"Python {platform.python_version()}, Linux {platform.release()}, {max(under, key=lambda it: len(it[0]))[1]}"
    yield "Postgres " + ", ".join(f"{name}={value}" for name, value in server.settings().items())


def main(arguments: list[str] | None = None) -> int:
    """Run everything and print it."""
    options = make_parser().parse_args(arguments)
    cores = _pin(options.cores)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=options.dir) as name:
        folder = Path(name)
        folder.chmod(0o755)  # Postgres does not run as root
        bench = Bench(folder, options)
        try:
            print("\n".join(_machine(cores, folder, bench.server)), flush=True)
            _measure(bench, folder, options)
        finally:
            bench.server.stop()
    return 0


def _measure(bench: Bench, folder: Path, options: argparse.Namespace) -> None:
    corpus = write_corpus(folder / "pods", options.files, options.lines)
    runs = bench.rounds(corpus, options.ways)
    report.show(f"{_title(corpus)}, {options.rounds} rounds, medians", runs)
    if options.profile:
        bench.profile(corpus)
    shutil.rmtree(corpus.root)
    rate = options.rate or statistics.median([run.rate for run in runs if run.name == "ours"] or [0]) / 2
    if options.latency_seconds and rate:
        bench.latency(rate)
    if options.many:
        corpus = write_corpus(folder / "pods", options.many, options.lines)
        runs = bench.rounds(corpus, tuple(name for name in options.ways if name not in COPIES))
        report.show(f"{_title(corpus)}, {options.rounds} rounds, medians", runs)


def _title(corpus: Corpus) -> str:
    mean = corpus.bytes / corpus.lines
    size = f"{mean - RECORD_BYTES:.0f} bytes (records of {mean:.0f})"
    return f"{corpus.lines:,} lines of {size} in {corpus.files:,} files"


if __name__ == "__main__":
    sys.exit(main())
