"""The cluster is up before these run (`make test` sees to it); they share one attacker and one decky."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import httpx
import pytest

from lab.api import login
from lab.attacker import Attacker
from lab.deckies import SERVER_HEADER, SSH, deckies, manifest

SHARED = "web-front"


@pytest.fixture(scope="session")
def attacker() -> Iterator[Attacker]:
    with Attacker() as machine:
        yield machine


@pytest.fixture(scope="session")
def decky() -> Iterator[dict[str, Any]]:
    """Status of a Ready decky that tests may attack but not change; its name is under `name`."""
    http = {"name": "http", "persona": {"server_header": SERVER_HEADER, "fake_app": "wordpress"}}
    with deckies(manifest(SHARED, services=[SSH, http])) as [status]:
        yield {**status, "name": SHARED}


@pytest.fixture(scope="session")
def api() -> Iterator[httpx.Client]:
    with closing(login()) as client:
        yield client
