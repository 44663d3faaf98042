"""A LAN for all tests of this folder, a fresh machine for each."""

from __future__ import annotations

import itertools
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from machine import Lan, Machine

_numbers = itertools.count(10)


@pytest.fixture(scope="session")
def lan() -> Iterator[Lan]:
    if subprocess.run(["docker", "info"], capture_output=True, check=False).returncode:
        pytest.fail("needs docker: cluster/docker.sh")
    lan = Lan(number=211)
    yield lan
    lan.close()


@pytest.fixture
def machine(lan: Lan, tmp_path: Path) -> Iterator[Machine]:
    machine = Machine(lan, tmp_path, last=next(_numbers) + 20)
    yield machine
    machine.close()
