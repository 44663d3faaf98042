"""One machine and one attacker for all ssh tests that leave the machine as it was."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from service_image import Service, TestNetwork, image
from ssh_lab import USERS

from lab.attacker import Attacker


@pytest.fixture(scope="session")
def network() -> Iterator[TestNetwork]:
    """A network with nothing else on it."""
    with TestNetwork() as network:
        yield network


@pytest.fixture(scope="session")
def attacker(network: TestNetwork) -> Iterator[Attacker]:
    """The intruder's container."""
    with Attacker(network.name, image("attacker")) as attacker:
        yield attacker


@pytest.fixture(scope="session")
def machine(network: TestNetwork) -> Iterator[Service]:
    """A running ssh service with two users."""
    with Service("ssh", network.name, {"users": USERS}) as service:
        yield service
