"""The benchmark of the pipe runs from end to end; how fast anything is, no test says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[2]


def test_every_way_moves_every_line() -> None:
    words = "--rounds 1 --lines 2000 --files 4 --many 60 --seconds 120 --latency-seconds 4 --rate 500"
    done = subprocess.run(
        [sys.executable, "-m", "bench.pipe", *words.split()],
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    few, many = (part.split("\n| way ")[1] for part in done.stdout.split("1 rounds, medians\n")[1:])
    for way in ("ours", "omfwd", "omrelp", "omrelp-wide"):
        assert f"\n| {way} |" in few
        assert f"\n| {way} |" in many
    for way in ("copy", "copy-5000", "copy-bare"):
        assert f"\n| {way} |" in few
    assert "the time was over" not in done.stdout, done.stdout
    assert "p99" in done.stdout
