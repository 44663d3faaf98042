"""The forwarder as a process, against a listener that misbehaves. Sets are compared, not counts."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import subprocess
import sys
import time
import urllib.error
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from node_lab import Authority, Faults, ForwarderProcess, Key, Listener, RuntimeLog, until


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture
def listener_tls(tmp_path: Path, authority: Authority) -> Path:
    return authority.issue(tmp_path / "listener", "decnet-listener")


@pytest.fixture
def node_tls(tmp_path: Path, authority: Authority) -> Path:
    return authority.issue(tmp_path / "node", "node-1")


MakeLog = Callable[[str, str], RuntimeLog]


@pytest.fixture
def runtime_log(tmp_path: Path) -> Iterator[MakeLog]:
    """Makes log files of (pod, container), closed in the end."""
    with contextlib.ExitStack() as undo:
        yield lambda pod, container: undo.enter_context(
            contextlib.closing(RuntimeLog(tmp_path / "pods", pod, container))
        )


def _expected(logs: list[RuntimeLog]) -> dict[Key, str]:
    return {key: line for log in logs for key, line in log.expected.items()}


def _difference(listener: Listener, logs: list[RuntimeLog]) -> str:
    wanted, got = _expected(logs), {key: envelope.line for key, envelope in listener.lines.items()}
    missing = sorted(wanted.keys() - got.keys())
    unknown = sorted(got.keys() - wanted.keys())
    changed = [key for key in wanted.keys() & got.keys() if wanted[key] != got[key]]
    return (
        f"{len(missing)} missing {missing[:3]}, {len(unknown)} unknown {unknown[:3]}, changed {changed[:3]}"
    )


def _assert_in_order(listener: Listener, logs: list[RuntimeLog]) -> None:
    arrived: dict[tuple[str, str], list[Key]] = defaultdict(list)
    for key in listener.lines:
        arrived[key[:2]].append(key)
    for log in logs:
        # Streams interleave: the order of lines is that in which they ended, which the writer kept.
        assert arrived[(log.uid, log.container)] == list(log.expected)


async def _write_under_attack(logs: list[RuntimeLog], dice: random.Random, seconds: float) -> None:
    """Lines of all kinds, and everything that happens to log files."""
    number = 0
    deadline = time.monotonic() + seconds
    rotations: dict[int, float] = defaultdict(float)
    while time.monotonic() < deadline:
        for index, log in enumerate(logs):
            for _ in range(dice.randint(0, 40)):
                number += 1
                size = dice.choice((10, 170, 170, 170, 20_000 if dice.random() < 0.05 else 60))
                stream = dice.choice(("stdout", "stdout", "stderr"))
                log.write(f"{number} " + "x" * size, pieces=dice.choice((1, 1, 1, 2, 5)), stream=stream)
            log.flush()
            # Not faster than one forwarder that is being killed can see: kubelet keeps five files.
            if time.monotonic() - rotations[index] > 2 and dice.random() < 0.2:
                rotations[index] = time.monotonic()
                dice.choice((log.rotate, log.rotate, log.copy_truncate, log.restart))()
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("seed", [1, 2])
async def test_nothing_lost_nothing_twice(
    runtime_log: MakeLog, tmp_path: Path, listener_tls: Path, node_tls: Path, seed: int
) -> None:
    dice = random.Random(seed)
    logs = [runtime_log(f"web-{pod}", name) for pod in range(4) for name in ("persona", "ssh", "http")]
    faults = Faults(dice, reset_before_store=0.01, reset_before_ack=0.01, partial_ack=0.3)
    listener = Listener(listener_tls, faults)
    async with listener.listening() as port:
        forwarder = ForwarderProcess(tmp_path, node_tls, port, window_lines="3000")
        with forwarder.running():
            writing = asyncio.create_task(_write_under_attack(logs, dice, 7))
            kills = 0
            while not writing.done() or kills < 4:
                known, stored = listener.connections, len(listener.lines)
                await until(lambda at=known: listener.connections > at, 20, "no connection")
                await until(lambda at=stored: len(listener.lines) > at or writing.done(), 20, "nothing comes")
                await asyncio.sleep(dice.uniform(0, 0.7))
                await asyncio.to_thread(forwarder.stop, signal.SIGKILL)
                kills += 1
                await asyncio.sleep(dice.uniform(0, 0.3))
                forwarder.start()
            await writing
            wanted = _expected(logs).keys()
            try:
                await until(lambda: wanted <= listener.lines.keys(), 20, "lines are missing")
            except AssertionError:
                pytest.fail(_difference(listener, logs))
            assert await asyncio.to_thread(forwarder.stop) == 0
    assert {key: envelope.line for key, envelope in listener.lines.items()} == _expected(logs), _difference(
        listener, logs
    )
    _assert_in_order(listener, logs)
    assert listener.connections > kills
    print(f"{len(wanted)} lines, {kills} kills, {listener.repeated} repeated")


async def test_a_clean_restart_repeats_nothing(
    runtime_log: MakeLog, tmp_path: Path, listener_tls: Path, node_tls: Path
) -> None:
    log = runtime_log("web", "persona")
    listener = Listener(listener_tls)
    async with listener.listening() as port:
        forwarder = ForwarderProcess(tmp_path, node_tls, port)
        for _ in range(3):
            for number in range(500):
                log.write(f"line {number}")
            log.flush()
            with forwarder.running():
                await until(lambda: len(listener.lines) == len(log.expected), 10, "lines are missing")
                assert await asyncio.to_thread(forwarder.stop) == 0
    assert listener.repeated == 0


async def test_listener_away_and_back(
    runtime_log: MakeLog, tmp_path: Path, listener_tls: Path, node_tls: Path
) -> None:
    log = runtime_log("web", "persona")
    first = Listener(listener_tls)
    second = Listener(listener_tls)
    async with first.listening() as port:
        forwarder = ForwarderProcess(tmp_path, node_tls, port)
        forwarder.start()
        log.write("before")
        log.flush()
        await until(lambda: first.lines, 10, "nothing came")
    for number in range(20_000):
        log.write(f"while away {number} " + "x" * 1000)
    log.flush()
    await asyncio.sleep(3)
    with pytest.raises(urllib.error.HTTPError, match="503"):
        await asyncio.to_thread(forwarder.get, "/readyz")
    assert await asyncio.to_thread(forwarder.get, "/healthz") == "ok\n"
    assert await asyncio.to_thread(forwarder.metric, "decnet_forwarder_lag_bytes") > 20_000_000
    assert await asyncio.to_thread(forwarder.metric, "decnet_forwarder_lag_lines") > 5_000
    assert await asyncio.to_thread(forwarder.metric, "decnet_forwarder_lag_seconds") > 2
    assert forwarder.resident_mib() < 64
    async with second.listening(port):
        await until(lambda: len(second.lines) == 20_000, 20, "lines are missing")
        await until(lambda: forwarder.metric("decnet_forwarder_lag_bytes") == 0, 5, "lag stays")
        assert await asyncio.to_thread(forwarder.get, "/readyz") == "ok\n"
        assert await asyncio.to_thread(forwarder.stop) == 0


async def test_a_silent_listener_is_left(
    runtime_log: MakeLog, tmp_path: Path, listener_tls: Path, node_tls: Path
) -> None:
    log = runtime_log("web", "persona")
    log.write("hello")
    log.flush()
    listener = Listener(listener_tls, Faults(silent=True))
    async with listener.listening() as port:
        with ForwarderProcess(tmp_path, node_tls, port, ack_seconds="1").running():
            await until(lambda: listener.connections >= 2, 10, "no second connection")
            listener.faults.silent = False
            await until(lambda: listener.repeated >= 1, 10, "the line was not sent again")


async def test_a_thousand_files(
    runtime_log: MakeLog, tmp_path: Path, listener_tls: Path, node_tls: Path
) -> None:
    """Memory, idle CPU, and the time from line to listener while nothing else happens."""
    logs = [runtime_log(f"web-{n}", name) for n in range(334) for name in ("persona", "ssh", "http")]
    listener = Listener(listener_tls)
    async with listener.listening() as port:
        forwarder = ForwarderProcess(tmp_path, node_tls, port)
        with forwarder.running():
            for log in logs:
                log.write("hello")
                log.flush()
            await until(lambda: len(listener.lines) == len(logs), 20, "lines are missing")
            assert forwarder.process is not None
            before = _cpu_seconds(forwarder.process.pid)
            delays = []
            for _ in range(40):
                await asyncio.sleep(random.uniform(0.05, 0.2))
                log = random.choice(logs)
                key = log.write("now")
                written = time.time()
                log.flush()
                await until(lambda key=key: key in listener.lines, 5, "a line is missing")
                delays.append(listener.arrived[key] - written)
            busy = _cpu_seconds(forwarder.process.pid) - before
            memory = forwarder.resident_mib()
            assert await asyncio.to_thread(forwarder.stop) == 0
    print(f"worst delay {max(delays):.3f} s, {memory:.0f} MiB, {busy:.2f} CPU seconds for 40 lines")
    assert max(delays) < 0.5
    assert memory < 64


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def test_only_deckies_are_read(
    runtime_log: MakeLog, tmp_path: Path, listener_tls: Path, node_tls: Path
) -> None:
    decky = runtime_log("web", "persona")
    other = runtime_log("database", "postgres")
    listener = Listener(listener_tls)
    async with listener.listening() as port:
        with ForwarderProcess(tmp_path, node_tls, port).running():
            for log in (other, decky):
                log.write("hello")
                log.flush()
            await until(lambda: listener.lines, 10, "nothing came")
            await asyncio.sleep(0.5)
    assert listener.lines.keys() == decky.expected.keys()
    (envelope,) = listener.lines.values()
    assert (envelope.node, envelope.namespace, envelope.pod) == ("node-1", "decnet", "web")


async def test_certificates_are_reread(
    runtime_log: MakeLog, tmp_path: Path, listener_tls: Path, node_tls: Path, authority: Authority
) -> None:
    log = runtime_log("web", "persona")
    listener = Listener(listener_tls)
    (node_tls / "tls.crt").unlink()
    async with listener.listening() as port:
        with ForwarderProcess(tmp_path, node_tls, port).running():
            await asyncio.sleep(1)
            authority.issue(node_tls, "node-1")
            await until(
                lambda: listener.peers == ["node-1"], 10, "no connection once there was a certificate"
            )
            authority.issue(node_tls, "node-1-renewed")
            await until(lambda: listener.peers[-1] == "node-1-renewed", 10, "still the old certificate")
            log.write("hello")
            log.flush()
            await until(lambda: listener.lines, 10, "nothing came")


@pytest.mark.parametrize("impostor", ["other name", "other authority", "no acknowledgements"])
async def test_impostors_get_nothing(
    runtime_log: MakeLog,
    tmp_path: Path,
    listener_tls: Path,
    node_tls: Path,
    authority: Authority,
    impostor: str,
) -> None:
    log = runtime_log("web", "persona")
    log.write("secret")
    log.flush()
    tls = listener_tls
    if impostor == "other name":
        tls = authority.issue(tmp_path / "impostor", "evil-listener")
    elif impostor == "other authority":
        tls = Authority().issue(tmp_path / "impostor", "decnet-listener")
        (tls / "ca.crt").write_bytes((listener_tls / "ca.crt").read_bytes())
    listener = Listener(tls, alpn=impostor != "no acknowledgements")
    async with listener.listening() as port:
        forwarder = ForwarderProcess(tmp_path, node_tls, port)
        with forwarder.running():
            await until(lambda: _attempts(forwarder) >= 2, 20, "no attempts")
            assert listener.frames == 0
            with pytest.raises(urllib.error.HTTPError, match="503"):
                await asyncio.to_thread(forwarder.get, "/readyz")


def _attempts(forwarder: ForwarderProcess) -> float:
    try:
        return forwarder.metric("decnet_forwarder_reconnects_total")
    except OSError:  # not started yet
        return 0


def test_help_and_wrong_settings(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "decnet_node.forwarder.main"]
    shown = subprocess.run([*command, "--help"], capture_output=True, text=True, check=True)
    assert "DECNET_FORWARDER_LISTENER" in shown.stdout
    wrong = subprocess.run(
        command,
        env={"DECNET_FORWARDER_LISTENER": "nowhere", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert wrong.returncode == 2
    assert "DECNET_FORWARDER_LISTENER: " in wrong.stderr
