"""A machine as a pod makes it, in docker: a network namespace, the persona container in it, and a neighbour.

Every container here runs the persona image: it has python3 and nft, which the tests need on either side.
"""

from __future__ import annotations

import json
import subprocess
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from decnet_events.registry import check_event
from decnet_events.rfc5424 import Line, parse_line
from integration.service_image import docker, image

SUBNET = "10.77.{}.0/24"
PYTHON = ["python3", "-I", "-c"]


class Lan:
    """A docker bridge of the tests' own with a neighbour on it."""

    def __init__(self, number: int) -> None:
        self.name = f"persona-{uuid.uuid4().hex[:8]}"
        self.prefix = f"10.77.{number}"
        docker("network", "create", "--subnet", SUBNET.format(number), self.name)
        self.peer = f"{self.name}-peer"
        self.peer_address = f"{self.prefix}.20"
        self._run(self.peer, self.peer_address, "--cap-add", "NET_ADMIN")

    def _run(self, name: str, address: str, *options: str) -> None:
        docker(
            "run", "-d", "--init", "--name", name, "--network", self.name, "--ip", address, *options,
            "--entrypoint", "sleep", image("persona"), "infinity",
        )  # fmt: skip

    def add_host(self, name: str, address: str, *options: str) -> None:
        """A container that holds a network namespace, without any capability."""
        self._run(name, address, "--cap-drop", "ALL", *options)

    def close(self) -> None:
        docker("rm", "-f", self.peer, check=False)
        docker("network", "rm", self.name, check=False)


class Machine:
    """One namespace and its persona container. `host` is the other container of the "pod"."""

    def __init__(self, lan: Lan, folder: Path, last: int = 10, host_options: tuple[str, ...] = ()) -> None:
        self.lan = lan
        self.address = f"{lan.prefix}.{last}"
        self.host = f"{lan.name}-host{last}"
        self.persona = f"{lan.name}-persona{last}"
        self.run = folder / "run"
        self.run.mkdir()
        self.termination = folder / "termination-log"
        self.termination.touch()
        lan.add_host(self.host, self.address, *host_options)
        template = "{{range .NetworkSettings.Networks}}{{.MacAddress}}{{end}}"
        self.settings: dict[str, Any] = {
            "hostname": "web01",
            "address": self.address,
            "prefix": 24,
            "gateway": f"{lan.prefix}.1",
            "mac": docker("inspect", "-f", template, self.host).strip(),
            "interface": "eth0",
            "sysctls": {"net.ipv4.ip_default_ttl": "64"},
            "seed": "5eed" * 16,
            "egress": "deny",
        }

    def close(self) -> None:
        docker("rm", "-f", self.persona, self.host, check=False)

    def start(self, **changes: Any) -> None:
        """Start the persona container with the rights that the operator gives it."""
        docker("rm", "-f", self.persona, check=False)
        settings = json.dumps({**self.settings, **changes})
        docker(
            "run", "-d", "--name", self.persona, "--network", f"container:{self.host}",
            "--read-only", "-v", f"{self.run}:/run", "-v", f"{self.termination}:/dev/termination-log",
            "--cap-drop", "ALL", "--cap-add", "NET_ADMIN", "--cap-add", "NET_RAW",
            "--security-opt", "no-new-privileges", "-e", f"SETTINGS={settings}", image("persona"),
        )  # fmt: skip

    def start_ready(self, **changes: Any) -> None:
        (self.run / "ready").unlink(missing_ok=True)
        self.start(**changes)
        wait_for("ready", (self.run / "ready").exists, 5)

    def exit_code(self) -> int:
        """Waits for the persona container to end."""
        return int(docker("wait", self.persona, timeout=20).split()[-1])

    def failure(self) -> dict[str, str]:
        found: dict[str, str] = json.loads(self.termination.read_text())
        return found

    def lines(self) -> list[Line]:
        """All events so far; fails on one that the registry does not know."""
        lines = [parse_line(text) for text in docker("logs", self.persona).splitlines()]
        wrong = [problem for line in lines for problem in check_event(line.msg_id, line.fields)]
        assert not wrong, wrong
        return lines

    def events(self, event_id: str) -> list[dict[str, str]]:
        return [line.fields for line in self.lines() if line.msg_id == event_id]

    def refused(self, protocol: str) -> list[tuple[str, int]]:
        """Port and attempts of each report of one protocol."""
        found = [event for event in self.events("egress_refused") if event["protocol"] == protocol]
        return [(f"{event['dst_ip']}:{event['dst_port']}", int(event["attempts"])) for event in found]


def python(container: str, code: str, timeout: float = 60) -> str:
    """What `code` prints in `container`, as its user; stderr included."""
    return docker("exec", container, *PYTHON, code, check=False, timeout=timeout).strip()


class Background:
    """`code` running in `container`; what it has printed so far is in `output`."""

    def __init__(self, container: str, code: str) -> None:
        self._container = container
        self._file = f"/dev/shm/{uuid.uuid4().hex}"
        docker(
            "exec",
            "-d",
            container,
            "sh",
            "-c",
            f'exec {" ".join(PYTHON)} "$1" >{self._file} 2>&1',
            "sh",
            code,
        )

    def output(self) -> str:
        return docker("exec", self._container, "cat", self._file, check=False)

    def wait_for(self, text: str, seconds: float) -> None:
        wait_for(text, lambda: text in self.output(), seconds)


def nft(container: str, *words: str) -> str:
    return docker("exec", container, "nft", *words, check=False)


def wait_for(what: str, true: Callable[[], object], seconds: float) -> float:
    """Seconds that it took."""
    started = time.monotonic()
    while not true():
        assert time.monotonic() - started < seconds, f"{what}: not within {seconds} s"
        time.sleep(0.02)
    return time.monotonic() - started


def top(container: str) -> dict[str, int]:
    """VmRSS and friends of the container's process 1, in KiB."""
    status = docker("exec", container, "cat", "/proc/1/status")
    return {
        line.split()[0].rstrip(":"): int(line.split()[1])
        for line in status.splitlines()
        if line.endswith("kB")
    }


def kill(container: str) -> None:
    subprocess.run(["docker", "kill", "-s", "KILL", container], check=True, capture_output=True)
