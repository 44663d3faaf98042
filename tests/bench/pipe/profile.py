"""Where the time of our own pipe goes: stacks of the Python processes, Postgres' waits and its hot functions."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import psycopg

from bench.pipe.corpus import Corpus
from bench.pipe.database import Database
from bench.pipe.ours import measure_pipe, running
from bench.pipe.run import Run
from bench.pipe.trust import Trust
from bench.pipe.usage import tree

_PY_SPY = Path(sys.executable).with_name("py-spy")
_RATE = 250  # stacks a second
_SHOWN = 20
_STARTING = "importlib._bootstrap"
"""In the stacks of a process that is still loading its modules."""

_LOOK_SECONDS = 0.02


def profile_python(corpus: Corpus, folder: Path, trust: Trust, database: Database, seconds: float) -> Run:
    """One run with py-spy on both Python processes, printed; slower than without, so only the shares count."""
    stacks = {name: folder / f"{name}.stacks" for name in ("listener", "forwarder")}
    wrap = {name: _recording(file) for name, file in stacks.items()}
    waits = _Waits(database.url)
    with running(folder, corpus.root, trust, database, wrap) as pipe, waits.watching():
        run = measure_pipe("ours", corpus, pipe, database, seconds)
    for name, file in stacks.items():
        print(f"\n{name}: share of its samples, by function")
        _show_stacks(file)
    print(
        "\npostgres: what the listener's connections waited for, share of looks; ClientRead is for the listener"
    )
    waits.show()
    return run


def profile_machine(corpus: Corpus, folder: Path, trust: Trust, database: Database, seconds: float) -> Run:
    """One run with perf on each part, printed."""
    with running(folder, corpus.root, trust, database) as pipe:
        components = {**pipe.components, "postgres": database.server_pid}
        with _perf(folder, components):
            run = measure_pipe("ours", corpus, pipe, database, seconds)
    for name in components:
        print(f"\n{name}: share of perf's samples, by library and by function")
        _show_perf(folder / f"{name}.perf")
    return run


def _recording(out: Path) -> list[str]:
    if not _PY_SPY.exists():
        raise FileNotFoundError(f"{_PY_SPY}: pip install py-spy")
    return [
        str(_PY_SPY), "record", "--nonblocking", "--subprocesses", "--rate", str(_RATE),
        "--format", "raw", "--function", "--output", str(out), "--",
    ]  # fmt: skip


def _show_stacks(file: Path) -> None:
    """The functions that most samples are in, with what is called from them and without."""
    own: Counter[str] = Counter()
    within: Counter[str] = Counter()
    for line in file.read_text().splitlines():
        if _STARTING in line:
            continue
        stack, _, count = line.rpartition(" ")
        frames = stack.split(";")[1:]  # the first is the process
        if not frames or not count.isdigit():  # py-spy breaks a line where it cannot read a name
            continue
        own[frames[-1]] += int(count)
        for frame in set(frames):
            within[frame] += int(count)
    total = own.total() or 1
    print("    alone   within")
    for frame, _ in sorted(own.items(), key=lambda item: -item[1])[:_SHOWN]:
        print(f"    {own[frame] / total:5.1%}   {within[frame] / total:6.1%}   {frame}")


class _Waits:
    """Looks at what each connection of the listener is doing, fifty times a second."""

    _QUERY = """
        select coalesce(wait_event_type || '/' || wait_event, state), left(query, 60)
        from pg_stat_activity where application_name like 'decnet-listener%' and datname = current_database()
          and application_name not in ('decnet-listener-pins', 'decnet-listener-wake')
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._seen: Counter[tuple[str, str]] = Counter()
        self._done = threading.Event()

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        thread = threading.Thread(target=self._watch)
        thread.start()
        try:
            yield
        finally:
            self._done.set()
            thread.join()

    def _watch(self) -> None:
        with psycopg.connect(self._url, autocommit=True) as connection:
            while not self._done.wait(_LOOK_SECONDS):
                for what, query in connection.execute(self._QUERY).fetchall():
                    self._seen[what, " ".join(query.split())] += 1

    def show(self) -> None:
        """Print it."""
        total = self._seen.total() or 1
        for (what, query), count in self._seen.most_common(_SHOWN):
            print(f"    {count / total:5.1%}   {what:28} {query}")


@contextlib.contextmanager
def _perf(folder: Path, components: Mapping[str, int]) -> Iterator[None]:
    """Samples each process tree, with Debian's linux-perf."""
    processes: list[subprocess.Popen[bytes]] = []
    with contextlib.ExitStack() as stack:
        for name, pid in components.items():
            pids = ",".join(map(str, tree(pid)))
            words = ["perf", "record", "-q", "-e", "cpu-clock", "-F", "499", "-p", pids]
            log = stack.enter_context((folder / f"{name}.perf-log").open("wb"))
            words += ["-o", str(folder / f"{name}.perf")]
            processes.append(subprocess.Popen(words, stdout=log, stderr=log))
        try:
            yield
        finally:
            for process in processes:
                process.terminate()
                process.wait()


def _show_perf(file: Path) -> None:
    """The libraries that the process was in, and the functions, as far as symbols tell."""
    for shown, fields in ((6, "overhead,dso"), (_SHOWN, "overhead,dso,sym")):
        words = ["perf", "report", "-q", "--stdio", "--fields", fields, "-i", str(file)]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        lines = [
            line.strip() for line in done.stdout.splitlines() if line.strip() and not line.startswith("#")
        ]
        print("\n".join(f"    {line}" for line in lines[:shown]) + "\n")
