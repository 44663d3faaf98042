"""The tables that are printed."""

from __future__ import annotations

import os
import statistics
from collections.abc import Iterable, Sequence

from bench.pipe.run import Run

MEANING = {
    "ours": "forwarder, TLS, listener, Postgres; acknowledged after COMMIT",
    "omfwd": "rsyslog, TLS, rsyslog, file; not acknowledged",
    "omrelp": "rsyslog, RELP over TLS, rsyslog, file; acknowledged when received, as configured by default",
    "omrelp-wide": "the same with windowSize=10000 instead of 128",
    "copy": "COPY of the parsed rows, one transaction, our keys and indexes",
    "copy-5000": "the same with a COMMIT every 5,000 rows",
    "copy-bare": "the same rows into a table without any index, one transaction",
}


def describe(run: Run) -> str:
    """One run in a line."""
    cpu = " ".join(f"{part} {seconds:.1f}" for part, seconds in run.cpu.items())
    note = "" if run.complete else f"  (time was over after {run.lines:,.0f} lines)"
    return (
        f"    {run.name:11} {run.rate:>9,.0f} lines/s  with start {run.with_start:>9,.0f}  CPU s: {cpu}{note}"
    )


def show(title: str, runs: Iterable[Run]) -> None:
    """Medians over the rounds, and how each way compares with ours."""
    by_name: dict[str, list[Run]] = {}
    for run in runs:
        by_name.setdefault(run.name, []).append(run)
    ours = _median(run.rate for run in by_name["ours"]) if "ours" in by_name else None
    print(f"\n{title}\n")
    print("| way | lines/s | from … to | of ours | CPU µs a line | CPU s | peak MiB |")
    print("|---|---|---|---|---|---|---|")
    for name, some in by_name.items():
        rates = [run.rate for run in some]
        ratio = f"{_median(rates) / ours:.2f}" if ours else "-"
        print(
            f"| {name} | {_median(rates):,.0f} | {min(rates):,.0f} … {max(rates):,.0f} | {ratio}"
            f" | {_parts([run.cpu_per_line for run in some], '.1f')} | {_parts([run.cpu for run in some], '.1f')}"
            f" | {_parts([run.peak for run in some], '.0f')} |"
        )
    if "ours" in by_name:
        print(f"\n{_bounds(by_name['ours'])}\n")
    for name in by_name:
        print(f"    {name:11} {MEANING[name]}")


def _bounds(ours: Sequence[Run]) -> str:
    """What the CPU time of our parts would allow if nothing ever waited."""
    spent = {part: _median(run.cpu_per_line[part] for run in ours) for part in ours[0].cpu_per_line}
    cores = len(os.sched_getaffinity(0))
    slowest = max(spent, key=lambda part: spent[part])
    if not all(spent.values()):  # less than the 10 ms in which the kernel counts
        return "ours: too short a run to say what its CPU time would allow"
    return (
        f"ours: {sum(spent.values()):.1f} µs of CPU a line allow {cores * 1e6 / sum(spent.values()):,.0f} lines/s"
        f" on {cores} cores; {slowest} alone, on one core, {1e6 / spent[slowest]:,.0f}"
    )


def _parts(measured: Sequence[dict[str, float]], form: str) -> str:
    """The median of each component."""
    return ", ".join(f"{part} {_median(it[part] for it in measured):{form}}" for part in measured[0])


def _median(values: Iterable[float]) -> float:
    return statistics.median(values)
