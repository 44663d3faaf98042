"""The real forwarder and the real listener: from the runtime's log file to the row."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import os
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from intel_lab import NODE, Lab, event_line, eventually, listening, make_lab, rows

LINES = 600


@contextlib.asynccontextmanager
async def forwarding(lab: Lab, folder: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """`decnet-forwarder` as the process it is in production."""
    tls = folder / "tls"
    tls.mkdir(exist_ok=True)
    for source, name in ((lab.pair.cert, "tls.crt"), (lab.pair.key, "tls.key"), (lab.ca.file, "ca.crt")):
        shutil.copy(source, tls / name)
    settings = {
        "LOG_ROOT": folder / "pods", "STATE_DIR": folder / "state", "TLS_DIR": tls, "NODE": NODE,
        "LISTENER": f"127.0.0.1:{lab.port}", "HTTP_PORT": 0, "BACKOFF_SECONDS": 0.5,
        "SUPPRESS_SECONDS": 0,
    }  # fmt: skip
    environment = {f"DECNET_FORWARDER_{name}": str(value) for name, value in settings.items()}
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "decnet_node.forwarder.main",
        env={**os.environ, **environment}, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield child
    finally:
        with contextlib.suppress(ProcessLookupError):
            child.kill()
        await child.wait()


async def test_every_line_of_a_log_file_becomes_one_row(postgres_url: str, tmp_path: Path) -> None:
    lab = make_lab(postgres_url, tmp_path)
    pod = tmp_path / "pods" / "decnet_web-front_0f0e0d0c-0000-4000-8000-000000000001"
    (pod / "persona").mkdir(parents=True)
    (pod / "ssh").mkdir()
    log = (pod / "ssh" / "0.log").open("ab", buffering=0)

    def stamp() -> bytes:
        return dt.datetime.now(dt.UTC).isoformat().replace("+00:00", "123Z").encode()

    def write(first: int, last: int) -> None:
        for n in range(first, last):
            log.write(b"%b stdout F %b\n" % (stamp(), event_line(str(n), src_ip="10.0.0.9").encode()))

    with log:
        async with listening(lab):
            async with forwarding(lab, tmp_path) as child:
                write(0, LINES // 3)
                await eventually(lambda: rows(lab.url, "select 1 as x from events limit 1"), "a first row")
                write(LINES // 3, 2 * LINES // 3)
                child.kill()
            write(2 * LINES // 3, LINES)
            odd = b"\xff\xfe \x1b[31m no syslog"
            log.write(b"%b stdout P %b\n%b stdout F  at all\n" % (stamp(), odd, stamp()))
            async with forwarding(lab, tmp_path):
                await eventually(
                    lambda: len(rows(lab.url, "select 1 as x from events")) == LINES + 1, "all rows"
                )
                await asyncio.sleep(0.5)
    found = rows(lab.url, "select * from events order by id")
    assert [row["message"] for row in found[:-1]] == [str(n) for n in range(LINES)]
    assert found[-1]["raw"] == "\\xff\\xfe \x1b[31m no syslog at all"
    assert {(row["node"], row["namespace"], row["decky"], row["service"]) for row in found} == {
        (NODE, "decnet", "web-front", "ssh")
    }
