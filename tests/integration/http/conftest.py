"""A web server, a stock one beside it, and a client's machine, on a network of their own."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from service_image import Service, TestNetwork, docker, image

from lab.attacker import Attacker


@pytest.fixture(scope="module")
def network() -> Iterator[str]:
    with TestNetwork() as network:
        yield network.name


@pytest.fixture(scope="module")
def client(network: str) -> Iterator[Attacker]:
    """The client's machine."""
    with Attacker(network, image("attacker")) as machine:
        yield machine


@pytest.fixture(scope="module")
def wordpress(network: str) -> Iterator[Service]:
    persona = {"server_header": "nginx/1.18.0", "fake_app": "wordpress"}
    with Service("http", network, persona) as service:
        yield service


@pytest.fixture(scope="module")
def plain(network: str) -> Iterator[Service]:
    with Service("http", network) as service:
        yield service


@pytest.fixture(scope="module")
def stock(network: str) -> Iterator[str]:
    """The address of Debian's nginx as its package starts it."""
    name = f"stock-{uuid.uuid4().hex[:8]}"
    docker("run", "-d", "--name", name, "--network", network, "--entrypoint", "nginx", "--user", "0",
           image("http"), "-g", "daemon off;")  # fmt: skip
    try:
        yield docker(
            "inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", name
        ).strip()
    finally:
        docker("rm", "-f", name, check=False)
