"""`python -m torture`."""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Sequence

from torture.options import Options, parse
from torture.run import Result, torture_decnet
from torture.schedule import schedule

_BEGAN = time.monotonic()
_COLUMNS = ("missing", "duplicate", "altered", "out of order")


def say(text: str) -> None:
    """One line of progress."""
    print(f"{time.monotonic() - _BEGAN:7.1f} s  {text}", flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run. Exit status as `--help` says."""
    options = parse(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that everything is taken away
    if options.plan:
        for fault in schedule(options.seed, options.lines, options.faults, options.kinds):
            print(fault)
        return 0
    results = []
    for name in options.pipes:
        say(f"{name}: {options.lines} lines, {options.faults} faults, seed {options.seed}")
        if name == "decnet":
            results.append(torture_decnet(options, say))
        else:
            from torture.rsyslog_run import torture_rsyslog

            results.append(torture_rsyslog(name, options, say))
    for result in results:
        _print(result)
    _print_table(results)
    if options.report is not None:
        options.report.write_text(json.dumps(_report(options, results), indent=2) + "\n")
    ours = [result for result in results if result.name == "decnet"]
    return 0 if all(result.good for result in ours) else 1


def _print(result: Result) -> None:
    print(f"\n{result.name}: {result.lines} lines in {result.seconds:.0f} s, {result.findings.rows} arrived,"
          f" {result.findings.withheld} withheld and counted")  # fmt: skip
    done = ", ".join(f"{kind} {count}" for kind, count in sorted(result.faults.items()))
    print(f"  {sum(result.faults.values())} faults: {done or 'none'}")
    if result.findings.off_of:
        print(f"  where state was damaged: {result.findings.off} of {result.findings.off_of} lines that may be withheld"
              f" counted twice or not at all, {result.findings.pieces} second halves of lines")  # fmt: skip
    if result.left_out:
        print(f"  left out (nothing to do it to, no root, or nothing came by): {dict(result.left_out)}")
    for name, deaths in result.own_deaths.items():
        print(f"  {name} ended by itself and was started again: exit status {deaths}")
    for failure in result.failed:
        print(f"  FAULT NOT DONE {failure}")
    for kind, count in result.findings.counts.items():
        print(f"  {kind.upper()}: {count}")
        for example in result.findings.examples[kind]:
            print(f"    {example[:400]}")


def _print_table(results: Sequence[Result]) -> None:
    columns = "".join(f"{name:>14}" for name in ("lines", "faults", *_COLUMNS))
    print(f"\n{'pipe':14}{columns}")
    for result in results:
        counts = result.findings.counts
        numbers = (result.lines, sum(result.faults.values()), *(counts[name] for name in _COLUMNS))
        print(f"{result.name:14}" + "".join(f"{number:>14}" for number in numbers))
    for result in results:
        if result.name == "decnet":
            print("\nevery line once, unaltered, in order" if result.good else "\nFAILED: see above")


def _report(options: Options, results: Sequence[Result]) -> dict[str, object]:
    return {
        "seed": options.seed,
        "pipes": [
            {
                "name": result.name, "lines": result.lines, "seconds": round(result.seconds, 1),
                "rows": result.findings.rows, "withheld": result.findings.withheld,
                "counted_wrongly_after_damage": result.findings.off, "of": result.findings.off_of,
                "pieces_after_damage": result.findings.pieces,
                "faults": dict(result.faults), "left_out": dict(result.left_out), "failed": result.failed,
                "ended_by_themselves": result.own_deaths,
                "wrong": dict(result.findings.counts), "examples": dict(result.findings.examples),
            }
            for result in results
        ],
    }  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
