"""One run of one pipe: traffic and faults, then quiet, then the comparison."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from torture.check import Findings, compare, compare_reader
from torture.database import SPOILING
from torture.decnet_pipe import decnet_pipe
from torture.faults import Injector
from torture.ledger import Ledger
from torture.options import Options
from torture.pipe import Ground, Pipe
from torture.reader import Reader
from torture.schedule import schedule
from torture.traffic import Traffic

_STUCK_SECONDS = 90.0
"""Without a line arriving for so long, with lines to come, the pipe has not recovered by itself."""

_QUIET_SECONDS = 12.0
"""After the last row: what is withheld is reported within this."""


@dataclass
class Result:
    """What a run came to."""

    name: str
    lines: int
    seconds: float
    findings: Findings
    faults: Counter[str]
    left_out: Counter[str]
    failed: list[str]
    own_deaths: dict[str, list[int]] = field(default_factory=dict)

    @property
    def good(self) -> bool:
        """Whether everything arrived as it should and every fault was done as planned."""
        return self.findings.clean and not self.failed


class StuckError(RuntimeError):
    """The pipe stands still though nothing is being done to it."""


def wait_for(traffic: Traffic, reader: Reader, limit: int) -> None:
    """Until at most `limit` lines are pending. Raises StuckError."""
    while traffic.pending > limit:
        traffic.work()
        time.sleep(0.02)
        if time.monotonic() - reader.moved_at > _STUCK_SECONDS:
            raise StuckError(f"no line arrived for {_STUCK_SECONDS:g} s, {traffic.pending} are pending")


def flow(
    traffic: Traffic,
    injector: Injector,
    wait: Callable[[int], None],
    options: Options,
    say: Callable[[str], None],
) -> None:
    """All lines and all faults. `wait` returns when at most so many lines are pending."""
    told = time.monotonic()
    for _ in range(len(traffic.logs)):
        traffic.turn()
    wait(traffic.written // 2)  # everything works before anything is broken
    while traffic.written < traffic.lines:
        if injector.due():
            traffic.turn()
            wait(options.pending)
        else:
            traffic.work()
            time.sleep(0.02)
        if time.monotonic() - told > options.progress_seconds:
            told = time.monotonic()
            say(
                f"{traffic.written} lines written, {traffic.pending} pending,"
                f" {sum(injector.applied.values())} faults done"
            )
    traffic.finish()
    while injector.busy:
        traffic.work()
        time.sleep(0.05)


def torture_decnet(options: Options, say: Callable[[str], None]) -> Result:
    """A run of our own pipe."""
    began = time.monotonic()
    ground = Ground()
    pipe: Pipe | None = None
    try:
        pipe = decnet_pipe(ground)
        return _run(ground, pipe, options, say, began)
    except StuckError:
        say(f"logs are kept in {ground.folder}")
        options.keep = True
        raise
    finally:
        if pipe is not None:
            pipe.close()
        ground.close(keep=options.keep)


def _run(ground: Ground, pipe: Pipe, options: Options, say: Callable[[str], None], began: float) -> Result:
    database = pipe.database
    assert database is not None
    ledger = Ledger()
    traffic = Traffic(
        ground, ledger, options.seed, options.lines, options.containers, options.rate, pipe.saved
    )
    reader = Reader(database, ledger)
    plan = schedule(options.seed, options.lines, options.faults, options.kinds)
    injector = Injector(pipe, traffic, plan, say)
    findings = Findings()
    try:
        flow(traffic, injector, lambda limit: wait_for(traffic, reader, limit), options, say)
        say("all lines are written; waiting for the rest to arrive")
        _settle(reader, traffic, ledger)
    except StuckError as error:
        findings.wrong("stuck", str(error))
        for line in database.activity():
            say(line)
    reader.close()
    if options.spoil:
        database.execute(SPOILING[options.spoil])
    compared = compare(ledger, database.rows())
    compared.counts.update(findings.counts)
    compared.examples.update(findings.examples)
    compare_reader(compared, ((row.xid, row.id) for row in database.rows()), reader.read)
    traffic.close()
    daemons = (*pipe.senders, *pipe.receivers)
    deaths = {daemon.name: daemon.own_deaths for daemon in daemons if daemon.own_deaths}
    return Result(
        "decnet", traffic.written, time.monotonic() - began, compared, injector.applied, injector.left_out,
        injector.failed, deaths,
    )  # fmt: skip


def _settle(reader: Reader, traffic: Traffic, ledger: Ledger) -> None:
    """Until all is accounted for and nothing more comes, or nothing comes any more."""

    def patience() -> float:
        return _QUIET_SECONDS if ledger.accounted >= traffic.written else _STUCK_SECONDS / 2

    while time.monotonic() - reader.moved_at < patience():
        time.sleep(0.1)
