"""One timed run of one way to move lines, and what is known of it afterwards."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bench.pipe.usage import Meter

_LOOK_SECONDS = 0.05


@dataclass(frozen=True)
class Run:
    """What one run showed.

    `rate` is in lines a second from the first line that arrived to the last, `with_start` from the start of
    the sending process; `cpu` in seconds over all of it, `cpu_per_line` in microseconds while `rate` was measured,
    `peak` in MiB, each by component. `complete` is false when the time was over first.
    """

    name: str
    lines: float
    rate: float
    with_start: float
    cpu: dict[str, float]
    cpu_per_line: dict[str, float]
    peak: dict[str, float]
    complete: bool


def measure(
    name: str, lines: int, seconds: float, components: Mapping[str, int], arrived: Callable[[], float]
) -> Run:
    """Watch `arrived` (lines so far) until it is `lines`, for `seconds` at most. Raises TimeoutError for nothing."""
    meter = Meter(components)
    started = time.monotonic()
    at_start = meter.cpu()
    first: tuple[float, float, dict[str, float]] | None = None
    while True:
        time.sleep(_LOOK_SECONDS)
        done = arrived()
        now = time.monotonic()
        if first is None and done:
            first = (now, done, meter.cpu())
        if done >= lines or now - started > seconds:
            break
    at_end = meter.cpu()
    if first is None:
        raise TimeoutError(f"{name}: not one line within {seconds:.0f} s")
    first_at, already, at_first = first
    if already > done / 2:  # too short to tell a start from the rest
        first_at, already, at_first = started, 0, at_start
    steady = done - already
    return Run(
        name,
        done,
        steady / (now - first_at),
        done / (now - started),
        {part: at_end[part] - at_start[part] for part in components},
        {part: (at_end[part] - at_first[part]) / steady * 1e6 for part in components},
        meter.peak(),
        done >= lines,
    )
