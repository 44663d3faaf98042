"""The forwarder under floods, full disks and clocks that are set. Real processes, real files."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import subprocess
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from node_lab import Authority, ForwarderProcess, Key, Listener, RuntimeLog, until

from decnet_events.rfc5424 import Line, format_line, parse_line

MakeLog = Callable[[str, str], RuntimeLog]
_FAKETIME = Path(f"/usr/lib/{os.uname().machine}-linux-gnu/faketime/libfaketimeMT.so.1")


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture
def listener_tls(tmp_path: Path, authority: Authority) -> Path:
    return authority.issue(tmp_path / "listener", "decnet-listener")


@pytest.fixture
def node_tls(tmp_path: Path, authority: Authority) -> Path:
    return authority.issue(tmp_path / "node", "node-1")


@pytest.fixture
def runtime_log(tmp_path: Path) -> Iterator[MakeLog]:
    """Makes log files of (pod, container), closed in the end."""
    with contextlib.ExitStack() as undo:
        yield lambda pod, container: undo.enter_context(
            contextlib.closing(RuntimeLog(tmp_path / "pods", pod, container))
        )


def _event(event_id: str, source: str) -> str:
    return format_line(Line("web01", "ssh", event_id, {"src_ip": source, "src_port": "4242"}))


def _rows_and_counts(listener: Listener) -> dict[tuple[str, str], int]:
    """Lines by container: those that came, and those that are said to have been withheld."""
    found: dict[tuple[str, str], int] = defaultdict(int)
    for key, envelope in list(listener.lines.items()):
        suppressed = " suppressed [" in envelope.line
        found[key[:2]] += int(parse_line(envelope.line).fields["count"]) if suppressed else 1
    return found


async def test_withheld_lines_are_counted_whatever_dies(
    runtime_log: MakeLog, tmp_path: Path, listener_tls: Path, node_tls: Path
) -> None:
    dice = random.Random(5)
    logs = [runtime_log(f"web-{pod}", name) for pod in range(3) for name in ("persona", "ssh")]
    listener = Listener(listener_tls)
    async with listener.listening() as port:
        forwarder = ForwarderProcess(tmp_path, node_tls, port, suppress_seconds="1")

        async def write() -> None:
            deadline = time.monotonic() + 12
            while time.monotonic() < deadline:
                for log in logs:
                    for _ in range(dice.randint(0, 30)):
                        event = dice.choice(("connect", "disconnect", "command"))
                        log.write(_event(event, f"10.0.0.{dice.randint(1, 3)}"))
                    log.flush()
                    if dice.random() < 0.01:
                        log.rotate()
                await asyncio.sleep(dice.choice((0.02, 0.02, 0.02, 2.2)) if dice.random() < 0.1 else 0.02)

        with forwarder.running():
            writing = asyncio.create_task(write())
            kills = 0
            while not writing.done():
                await asyncio.sleep(dice.uniform(0.3, 1.5))
                await asyncio.to_thread(forwarder.stop, signal.SIGKILL)
                kills += 1
                forwarder.start()
            await writing
            wanted = {(log.uid, log.container): len(log.expected) for log in logs}
            with contextlib.suppress(AssertionError):
                await until(lambda: _rows_and_counts(listener) == wanted, 20, "not all counted")
            assert _rows_and_counts(listener) == wanted
            withheld = await asyncio.to_thread(
                forwarder.metric, 'decnet_forwarder_lines_suppressed_total{reason="window"}'
            )
            assert await asyncio.to_thread(forwarder.stop) == 0
    written = {key: line for log in logs for key, line in log.expected.items()}
    rows = {key: it.line for key, it in listener.lines.items() if " suppressed [" not in it.line}
    assert rows.items() <= written.items()
    assert sum(" command " in line for line in written.values()) == sum(
        " command " in line for line in rows.values()
    )
    assert len(rows) < len(written)
    print(f"{len(written)} lines, {len(rows)} rows, {kills} kills, {listener.repeated} repeated, {withheld=}")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB where the forwarder keeps its offsets."""
    directory = tmp_path / "state"
    directory.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", directory], check=True)
    try:
        yield directory
    finally:
        subprocess.run(["umount", "--lazy", directory], check=True)


def _fill(directory: Path) -> Path:
    filler = directory / "filler"
    with contextlib.suppress(OSError), filler.open("ab", buffering=0) as file:
        while True:
            file.write(bytes(512))
    return filler


async def test_a_full_disk_stops_nothing(
    runtime_log: MakeLog, tmp_path: Path, listener_tls: Path, node_tls: Path, small_disk: Path
) -> None:
    log = runtime_log("web", "persona")

    def write(count: int) -> None:
        for number in range(count):
            log.write(f"{number} " + "x" * 100)
            log.write(_event("connect", "10.0.0.1"))
        log.flush()

    def everything_is_there() -> bool:
        return _rows_and_counts(listener)[(log.uid, log.container)] == len(log.expected)

    listener = Listener(listener_tls)
    async with listener.listening() as port:
        forwarder = ForwarderProcess(tmp_path, node_tls, port, suppress_seconds="1")
        filler = _fill(small_disk)
        for start in ("when it starts", "and again", "while it runs"):
            if start == "while it runs":
                filler.unlink()
            with forwarder.running():
                if start == "while it runs":
                    write(100)
                    await until(everything_is_there, 20, start)
                    filler = _fill(small_disk)
                seen = len(listener.lines)
                write(2000)
                write(1)
                await until(lambda at=seen: len(listener.lines) >= at + 2001, 20, start)
                await until(
                    lambda: forwarder.metric("decnet_forwarder_state_errors_total") >= 1, 20, "no error told"
                )
                await asyncio.to_thread(forwarder.stop, signal.SIGKILL)
        assert listener.repeated > 0
        filler.unlink()
        with forwarder.running():
            await until(everything_is_there, 30, "lines are missing")
            assert await asyncio.to_thread(forwarder.stop) == 0
        before = listener.repeated
        with forwarder.running():
            await until(lambda at=listener.connections: listener.connections > at, 10, "no connection")
            await asyncio.sleep(2)
        assert listener.repeated <= before + 2  # what an open window may hold back


async def test_a_flood_starves_nobody(
    runtime_log: MakeLog, tmp_path: Path, listener_tls: Path, node_tls: Path
) -> None:
    flooded = runtime_log("web-0", "persona")
    others = [runtime_log(f"web-{n}", "persona") for n in range(1, 21)]
    content = "x" * 1000
    for _ in range(190_000):
        flooded.write(content)
    flooded.flush()
    listener = Listener(listener_tls)
    delays: list[float] = []
    async with listener.listening() as port:
        forwarder = ForwarderProcess(tmp_path, node_tls, port)
        with forwarder.running():
            await until(lambda: listener.lines, 10, "nothing came")
            written: dict[Key, float] = {}
            while sum(key[0] == flooded.uid for key in listener.lines) < len(flooded.expected):
                log = random.choice(others)
                key = log.write("now")
                written[key] = time.time()
                log.flush()
                await asyncio.sleep(0.05)
            await until(lambda: written.keys() <= listener.lines.keys(), 10, "lines are missing")
            delays = [listener.arrived[key] - at for key, at in written.items()]
            memory = forwarder.resident_mib()
    print(f"{len(delays)} lines of others, worst delay {max(delays):.2f} s, {memory:.0f} MiB")
    assert len(delays) > 20
    assert max(delays) < 5
    assert memory < 64


async def test_memory_with_a_thousand_files_under_load(
    runtime_log: MakeLog, tmp_path: Path, listener_tls: Path, node_tls: Path
) -> None:
    """Backlogs everywhere, long lines, and as many attackers as are counted apart in each container."""
    logs = [runtime_log(f"web-{n}", name) for n in range(500) for name in ("persona", "ssh")]
    for log in logs:
        for number in range(100):
            log.write(_event("connect", f"10.0.0.{number % 64}") if number % 2 else "x" * 900)
            log.write(_event("connect", f"10.0.0.{number % 64}"))
        log.write("y" * 60_000, pieces=4)
        log.flush()
    listener = Listener(listener_tls)
    listener.keep = False
    async with listener.listening() as port:
        forwarder = ForwarderProcess(tmp_path, node_tls, port)
        with forwarder.running():
            await until(lambda: forwarder.process is not None and _lag(forwarder) == 0, 120, "lag stays")
            acknowledged = await asyncio.to_thread(
                forwarder.metric, "decnet_forwarder_lines_acknowledged_total"
            )
            memory = forwarder.resident_mib()
            text = await asyncio.to_thread(forwarder.get, "/metrics")
            assert await asyncio.to_thread(forwarder.stop) == 0
    print(f"{acknowledged:.0f} lines acknowledged, {memory:.0f} MiB")
    assert "decnet_forwarder_containers 1000.0" in text
    assert acknowledged > 100_000
    assert memory < 64


def _lag(forwarder: ForwarderProcess) -> float:
    try:
        text = forwarder.get("/metrics")
    except OSError:
        return -1
    assert text.count("decnet_forwarder_container_lag_bytes{") <= 20
    values = dict(line.split(" ") for line in text.splitlines() if line.startswith("decnet_forwarder_lag_"))
    if float(values["decnet_forwarder_lag_bytes"]):
        assert float(values["decnet_forwarder_lag_lines"]) > 0
    return float(values["decnet_forwarder_lag_bytes"])


@pytest.mark.parametrize("step", [7200.0, -7200.0])
async def test_a_clock_that_is_set_loses_nothing_and_stops_nothing(
    runtime_log: MakeLog, tmp_path: Path, listener_tls: Path, node_tls: Path, step: float
) -> None:
    log = runtime_log("web", "persona")
    offset = tmp_path / "offset"
    offset.write_text("+0\n")
    listener = Listener(listener_tls)
    async with listener.listening() as port:
        forwarder = ForwarderProcess(tmp_path, node_tls, port, suppress_seconds="1")
        forwarder.environment |= {
            "LD_PRELOAD": str(_FAKETIME),
            "FAKETIME_TIMESTAMP_FILE": str(offset),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }
        with forwarder.running():
            for number in range(24):
                if number == 8:
                    offset.write_text(f"{step:+.0f}\n")
                    log.clock_offset = step
                if number == 16:
                    offset.write_text("+0\n")
                    log.clock_offset = 0.0
                for _ in range(20):
                    log.write(_event("connect", "10.0.0.1"))
                key = log.write(f"line {number}")
                log.flush()
                started = time.monotonic()
                await until(lambda key=key: key in listener.lines, 10, f"line {number} is missing")
                assert time.monotonic() - started < 5
                if number % 3 == 0:
                    log.rotate()
                await asyncio.sleep(0.25)
            wanted = {(log.uid, log.container): len(log.expected)}
            await until(lambda: _rows_and_counts(listener) == wanted, 20, "not all counted")
            assert await asyncio.to_thread(forwarder.stop) == 0
