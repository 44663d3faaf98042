"""Forwarder, listener, Postgres and a whole node are killed while an intruder is at work: each line is there once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from lab.attacker import Attacker
from lab.cluster import PRODUCT_NAMESPACE, CommandError, get, kubectl, run, wait_for
from lab.deckies import wait_ready
from lab.demo import DECKY, STEPS
from lab.nodelogs import difference, on_disk, stored

HEAD_START = 4  # seconds of attack before the kill
SETTLED_WITHIN = 150


@contextmanager
def demo_attack(attacker: Attacker, address: str) -> Iterator[None]:
    """The steps of `make demo` again and again while the block runs, and once more after it."""
    over = threading.Event()

    def attack() -> None:
        last = False
        while not last:
            last = over.is_set()
            for _, _, act, _, _ in STEPS:
                try:
                    act(attacker, address)
                except CommandError:
                    time.sleep(0.5)  # nobody answers while the node is away

    thread = threading.Thread(target=attack)
    thread.start()
    try:
        time.sleep(HEAD_START)
        yield
    finally:
        over.set()
        thread.join()


def _node_of(component: str) -> str:
    pods = get("pods", "-n", PRODUCT_NAMESPACE, "-l", f"app.kubernetes.io/component={component}")["items"]
    return str(pods[0]["spec"]["nodeName"])


def _kill(node: str, process: str) -> None:
    """SIGKILL for every process on `node` whose command line has `process` in it."""
    assert run("docker", "exec", node, "pkill", "-KILL", "-e", "-f", process), f"no {process} on {node}"


def kill_forwarder(node: str) -> None:
    _kill(node, "bin/decnet-forwarder")


def kill_listener(_: str) -> None:
    for node in {_node_of("listener")}:
        _kill(node, "bin/decnet-intel listener")


def kill_postgres(_: str) -> None:
    _kill(_node_of("postgres"), "^postgres|bin/postgres")


def kill_node(node: str) -> None:
    run("docker", "kill", node)
    time.sleep(5)
    run("docker", "start", node)
    kubectl("wait", "--for=condition=Ready", f"node/{node}", "--timeout=120s", timeout=150)


@pytest.mark.parametrize("kill", [kill_forwarder, kill_listener, kill_postgres, kill_node])
def test_each_line_is_there_once_after_a_kill(attacker: Attacker, kill: Callable[[str], None]) -> None:
    [status] = wait_ready(DECKY)
    pod = get(f"pod/{DECKY}")["metadata"]
    before = on_disk(status["node"], pod["namespace"], DECKY, pod["uid"])
    rows = len(stored(pod["uid"]).places)
    with demo_attack(attacker, status["ip"]):
        kill(status["node"])
        wait_ready(DECKY, timeout=180)
    assert get(f"pod/{DECKY}")["metadata"]["uid"] == pod["uid"]
    settled(status, pod)
    after = stored(pod["uid"])
    assert len(after.places) > rows + 10
    # kubelet removes the oldest log of a container that was started again
    seen = before | on_disk(status["node"], pod["namespace"], DECKY, pod["uid"])
    assert sum(after.stands_for.values()) >= len(seen)


def settled(status: dict[str, Any], pod: dict[str, Any]) -> None:
    """Wait until database and disk agree, and look again: a second copy may come late."""

    def agree() -> bool:
        disk = on_disk(status["node"], pod["namespace"], DECKY, pod["uid"])
        try:
            wrong = difference(disk, stored(pod["uid"]))
        except CommandError as error:  # Postgres is not back yet
            wrong = str(error)
        if wrong:
            print(wrong)
        return not wrong

    wait_for("database and disk to agree", agree, timeout=SETTLED_WITHIN, every=2)
    time.sleep(6)
    assert agree()
