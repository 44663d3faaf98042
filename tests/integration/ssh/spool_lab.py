"""What a machine has left in its spool, read the way the node does: finished files only."""

from __future__ import annotations

import hashlib
import io
import json
import re
import subprocess
import tarfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from service_image import Service, docker

T = TypeVar("T")
SPOOL = "/var/lib/systemd/coredump"
SHARD_MAX = 4 * 1024 * 1024
_SHARD = re.compile(r"session-([0-9a-f]{16})-(\d{4,})\.cast")


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def spool(machine: Service) -> dict[str, bytes]:
    """Every finished file by name."""
    command = ["docker", "exec", machine.name, "tar", "-C", SPOOL, "--exclude=./.?*", "-cf", "-", "."]
    # tar complains of files that are finished or made while it reads; what it has read is what counts
    done = subprocess.run(command, capture_output=True, check=False, timeout=60)
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        files = {member.name.removeprefix("./"): archive.extractfile(member) for member in archive}
        return {name: content.read() for name, content in files.items() if content}


def spool_bytes(machine: Service) -> int:
    """Room taken, unfinished files included."""
    return int(docker("exec", machine.name, "du", "-sb", SPOOL).split()[0])


def decode(text: str) -> bytes:
    """The bytes that passed: U+EF80 to U+EFFF stand for what was no character."""
    passed = bytearray()
    for character in text:
        code = ord(character)
        passed += bytes([code - 0xEF00]) if 0xEF80 <= code <= 0xEFFF else character.encode()
    return bytes(passed)


@dataclass
class Recording:
    """One program of a login: its shards in order, as one."""

    header: dict[str, Any]
    events: list[tuple[float, str, str]] = field(default_factory=list)
    shards: list[int] = field(default_factory=list)

    def played(self, code: str) -> bytes:
        return b"".join(decode(data) for _, kind, data in self.events if kind == code)

    def texts(self, code: str) -> list[str]:
        return [data for _, kind, data in self.events if kind == code]


def recordings(files: dict[str, bytes], session: str) -> list[Recording]:
    """The recordings of a login by their program's number; fails on anything that is no asciicast."""
    found: dict[int, Recording] = {}
    names = sorted(name for name in files if (m := _SHARD.fullmatch(name)) and m[1] == session)
    for name in names:
        assert len(files[name]) <= SHARD_MAX
        lines = files[name].decode().split("\n")
        assert lines.pop() == ""
        header = json.loads(lines[0])
        assert header["version"] == 2
        assert header["session"] == session
        recording = found.setdefault(header["program"], Recording(header))
        recording.shards.append(header["shard"])
        recording.events += [tuple(json.loads(line)) for line in lines[1:]]
    for recording in found.values():
        times = [moment for moment, _, _ in recording.events]
        assert times == sorted(times)
        assert recording.shards == sorted(recording.shards)
    return [found[number] for number in sorted(found)]


def recorded(machine: Service, since: int, timeout: float = 15) -> list[Recording]:
    """The recordings of the one login since then, once it has ended."""
    [closed] = machine.wait_for("session_closed", since, timeout=timeout)
    return wait_until(
        lambda: [
            recording
            for recording in recordings(spool(machine), closed["session"])
            if recording.events and recording.events[-1][1] == "x"
        ]
    )


def wait_until(look: Callable[[], T], timeout: float = 10) -> T:
    """What `look` returns as soon as it is something."""
    end = time.monotonic() + timeout
    while not (found := look()):
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.2)
    return found


def resident(machine: Service) -> int:
    """KiB of memory that process 1 has at this moment."""
    return int(docker("exec", machine.name, "awk", "/^VmRSS/ {print $2}", "/proc/1/status"))
