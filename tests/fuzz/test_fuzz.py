"""A short run of the fuzzer from the committed corpus; a longer one is the command in fuzz_wire.py."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
SECONDS = int(os.environ.get("FUZZ_SECONDS", "20"))


def test_nothing_is_found(tmp_path: Path) -> None:
    found = tmp_path / "found"
    found.mkdir()
    run = subprocess.run(
        [
            sys.executable, str(HERE / "fuzz_wire.py"), f"-max_total_time={SECONDS}", "-timeout=10",
            "-rss_limit_mb=1024", "-max_len=8192", "-print_final_stats=1", str(found), str(HERE / "corpus"),
        ],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=SECONDS + 100,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr[-5000:]
    inputs = re.search(r"number_of_executed_units: (\d+)", run.stderr)
    assert inputs is not None
    assert int(inputs[1]) > 1000
