"""A run of rsyslog's pipe under the same lines and those of the faults that make sense for it."""

from __future__ import annotations

import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from torture.check import Findings
from torture.faults import Injector
from torture.ledger import NUMBER, Ledger, Place
from torture.options import Options
from torture.pipe import Ground
from torture.rsyslog_pipe import received, rsyslog_pipe
from torture.run import Result, flow
from torture.schedule import schedule
from torture.traffic import Traffic

_RECORD = re.compile(
    rb" ?\S*/[^/ ]+_[^/ ]+_([^/ ]+)/([^/ ]+)/[^/ ]+ \S+ (stdout|stderr) ([FP]) (.*)", re.DOTALL
)
_PATIENCE_SECONDS = 20.0
"""What has not come by then is not waited for: rsyslog does lose lines."""

_QUIET_SECONDS = 20.0


class Arrivals:
    """Follows the receivers' files; a thread keeps the ledger up to date."""

    def __init__(self, files: list[Path], ledger: Ledger) -> None:
        self.moved_at = time.monotonic()
        self.times: dict[Place, Counter[int]] = {place: Counter() for place in ledger.accounts}
        self._ledger = ledger
        self._held: dict[tuple[Place, bytes], bytes] = {}
        self._closing = threading.Event()
        self._rest = dict.fromkeys(files, (0, b""))
        self._thread = threading.Thread(target=self._run, name="arrivals", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._closing.wait(0.1):
            for file in list(self._rest):
                for record in self._fresh(file):
                    self._take(record)

    def _fresh(self, file: Path) -> Iterator[bytes]:
        offset, rest = self._rest[file]
        if not file.exists():
            return
        with file.open("rb") as opened:
            opened.seek(offset)
            data = opened.read(1 << 22)
        if data:
            self.moved_at = time.monotonic()
        *records, rest_now = (rest + data).split(b"\n")
        self._rest[file] = (offset + len(data), rest_now)
        yield from records

    def _take(self, record: bytes) -> None:
        """A line counts when its beginning is there: rsyslog does not join what the runtime splits."""
        found = _RECORD.match(record)
        if found is None:
            return
        place = (found[1].decode(), found[2].decode())
        content = self._held.pop((place, found[3]), b"") + found[5]
        if found[4] == b"P" and len(content) < 4096:
            self._held[place, found[3]] = content
            return
        event = content.rfind(b"N:", 0, 4096)
        number = NUMBER.match(content[max(event, 0) :].decode("utf-8", "replace"))
        if number is not None and place in self.times:
            self.times[place][int(number[1])] += 1
            self._ledger.see(place, int(number[1]))

    def close(self) -> None:
        """Follow no more."""
        self._closing.set()
        self._thread.join()


def torture_rsyslog(name: str, options: Options, say: Callable[[str], None]) -> Result:
    """Run `rsyslog-tls` or `rsyslog-relp`."""
    began = time.monotonic()
    ground = Ground()
    pipe = rsyslog_pipe(ground, name)
    try:
        ledger = Ledger()
        traffic = Traffic(ground, ledger, options.seed, options.lines, options.containers, options.rate)
        arrivals = Arrivals(received(ground), ledger)
        injector = Injector(
            pipe, traffic, schedule(options.seed, options.lines, options.faults, options.kinds), say
        )

        def wait(limit: int) -> None:
            began_to_wait = time.monotonic()
            while traffic.pending > limit:
                traffic.work()
                time.sleep(0.02)
                if time.monotonic() - max(arrivals.moved_at, began_to_wait) > _PATIENCE_SECONDS:
                    ledger.write_off()

        flow(traffic, injector, wait, options, say)
        say("all lines are written; waiting for the rest to arrive")
        quiet_since = time.monotonic()
        while time.monotonic() - max(arrivals.moved_at, quiet_since) < _QUIET_SECONDS:
            time.sleep(0.1)
        arrivals.close()
        findings = _compare(ledger, arrivals)
        traffic.close()
        return Result(
            name, traffic.written, time.monotonic() - began, findings, injector.applied, injector.left_out,
            injector.failed, {it.name: it.own_deaths for it in (*pipe.senders, *pipe.receivers) if it.own_deaths},
        )  # fmt: skip
    finally:
        pipe.close()
        ground.close(keep=options.keep)


def _compare(ledger: Ledger, arrivals: Arrivals) -> Findings:
    findings = Findings()
    for place, account in ledger.accounts.items():
        times = arrivals.times[place]
        findings.rows += times.total()
        for number in range(len(account)):
            if not times[number]:
                findings.wrong("missing", f"{place[0]}/{place[1]} line {number}")
            elif times[number] > 1:
                findings.wrong("duplicate", f"{place[0]}/{place[1]} line {number}", times[number] - 1)
    return findings
