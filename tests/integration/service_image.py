"""Runs a service image in docker the way a decky's pod would, and reads the events it writes.

The container gets exactly what its service.yaml grants: capabilities, user, read-only root, memory.
"""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import yaml

from decnet_events.registry import check_event
from decnet_events.rfc5424 import Line, parse_line

ROOT = Path(__file__).resolve().parents[2]
SEED = "5eed" * 16
OTHER_SEED = "0dd5" * 16


def _build_script() -> Any:
    """images/build.py as a module: it is a script beside the images, not part of a package."""
    spec = importlib.util.spec_from_file_location("images_build", ROOT / "images" / "build.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def image(name: str) -> str:
    """The reference of image `name` as its sources are now; built when docker lacks it."""
    script = _build_script()
    described = script.describe(name)
    command = ["docker", "image", "inspect", described.ref]
    found = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    if found.returncode:
        assert script.build(described), f"image {name} cannot be built"
    ref: str = described.ref
    return ref


def docker(*arguments: str, check: bool = True, stdin: bytes | None = None, timeout: float = 120) -> str:
    """What a docker command prints, stderr included."""
    done = subprocess.run(
        ["docker", *arguments],
        input=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        timeout=timeout,
    )
    text = done.stdout.decode(errors="replace")
    assert not check or done.returncode == 0, f"docker {' '.join(arguments)}: {text}"
    return text


class TestNetwork:
    """A docker network of the tests' own, gone when the `with` block ends."""

    __test__ = False  # not a test case, whatever pytest reads into the name

    def __init__(self) -> None:
        self.name = f"service-{uuid.uuid4().hex[:8]}"

    def __enter__(self) -> TestNetwork:
        docker("network", "create", self.name)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        docker("network", "rm", "-f", self.name, check=False)


class Service:
    """A running container of a service image."""

    def __init__(
        self,
        slug: str,
        network: str,
        persona: dict[str, Any] | None = None,
        seed: str = SEED,
        hostname: str = "web01",
        command: str = "",
    ) -> None:
        """`command` is a shell script to start instead of the image's own process."""
        self.definition = yaml.safe_load((ROOT / "images" / slug / "service.yaml").read_text())
        self.name = f"{slug}-{uuid.uuid4().hex[:8]}"
        self.hostname = hostname
        self.address = ""
        self._image = image(slug)
        self._network = network
        self._command = command
        defaults = {key["name"]: key.get("default") for key in self.definition["persona"]}
        self._settings = {
            "hostname": hostname,
            "seed": seed,
            "os": "linux",
            "distro": "debian",
            "address": "",
            "persona": {**defaults, **(persona or {})},
        }

    def __enter__(self) -> Service:
        script = ("-c", self._command) if self._command else ()
        docker("run", "-d", "--name", self.name, *self._options(), self._image, *script)
        self.find_address()
        self.wait_ready()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        docker("rm", "-f", self.name, check=False)

    def _options(self) -> Iterator[str]:
        security = self.definition.get("security", {})
        yield from ("--hostname", self.hostname, "--network", self._network, "--cap-drop", "ALL")
        for capability in self.definition.get("capabilities", []):
            yield from ("--cap-add", capability)
        if not security.get("allowPrivilegeEscalation", False):
            yield from ("--security-opt", "no-new-privileges")
        if security.get("readOnlyRootFilesystem", True):
            yield "--read-only"
        if "runAsUser" in security:
            yield from ("--user", str(security["runAsUser"]))
        for path in self.definition.get("scratch", []):
            yield from ("--tmpfs", f"{path}:exec")  # as an emptyDir is
        if "spool" in self.definition:
            yield from ("--tmpfs", f"{self.definition['spool']}:size=160m,mode=0777")
        limit = self.definition.get("resources", {}).get("limits", {}).get("memory")
        if limit:
            yield from ("--memory", re.sub(r"i$", "", limit).lower())
        if self._command:
            yield from ("--entrypoint", "sh")
        yield from ("--env", f"SETTINGS={json.dumps(self._settings)}")

    def find_address(self) -> None:
        """Learn the address: docker may give another one after a restart."""
        template = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
        self.address = docker("inspect", "-f", template, self.name).strip()

    def wait_ready(self, timeout: float = 20) -> None:
        """Wait until the readiness command of service.yaml succeeds."""
        command = ["docker", "exec", self.name, *self.definition["readiness"]["exec"]]
        end = time.monotonic() + timeout
        while subprocess.run(command, capture_output=True, check=False).returncode:
            running = docker("inspect", "-f", "{{.State.Running}}", self.name).strip()
            assert running == "true", f"{self.name} ended: {self.output()}"
            assert time.monotonic() < end, f"{self.name} is not ready after {timeout} s: {self.output()}"
            time.sleep(0.1)

    def output(self) -> str:
        """Everything the container has written, stderr included."""
        return docker("logs", self.name)

    def lines(self) -> list[Line]:
        """Every line as an event; fails on one that the registry does not know."""
        lines = [parse_line(text) for text in self.output().splitlines()]
        wrong = [problem for line in lines for problem in check_event(line.msg_id, line.fields)]
        assert not wrong, wrong
        assert {line.hostname for line in lines} <= {self.hostname}
        return lines

    def events(self, event_id: str, since: int = 0) -> list[dict[str, str]]:
        """The fields of the events of one kind, from line `since` on."""
        return [line.fields for line in self.lines()[since:] if line.msg_id == event_id]

    def mark(self) -> int:
        """A place in the output for `since`."""
        return len(self.output().splitlines())

    def wait_for(
        self,
        event_id: str,
        since: int = 0,
        count: int = 1,
        where: Callable[[dict[str, str]], bool] = lambda _: True,
        timeout: float = 10,
    ) -> list[dict[str, str]]:
        """At least `count` events of one kind that `where` accepts."""
        end = time.monotonic() + timeout
        while True:
            found = [fields for fields in self.events(event_id, since) if where(fields)]
            if len(found) >= count:
                return found
            assert time.monotonic() < end, f"{len(found)} of {count} {event_id}: {self.output()[-4000:]}"
            time.sleep(0.2)
