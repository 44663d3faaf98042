"""The pipe under test: decnet-forwarder on two nodes, two decnet-intel listeners, Postgres."""

from __future__ import annotations

import sys

from lab.postgres import free_port
from torture.certificates import SERVER, Authority
from torture.daemon import Daemon
from torture.database import Database
from torture.disk import SmallDisk
from torture.pipe import Ground, Pipe
from torture.proxy import Proxy
from torture.saved import saved_offset
from torture.schedule import LISTENERS, NODES

_DATABASE_BYTES = 12 * 1024**3

_SOONER = {
    "DECNET_FORWARDER_BACKOFF_SECONDS": "1",
    "DECNET_FORWARDER_ACK_SECONDS": "12",
    "DECNET_LISTENER_TRANSACTION_SECONDS": "8",
    "DECNET_LISTENER_FRAME_SECONDS": "10",
    "DECNET_LISTENER_ACK_SECONDS": "10",
    "DECNET_LISTENER_PIN_SECONDS": "1",
}
"""Patience as in production would only make a run longer."""


def decnet_pipe(ground: Ground) -> Pipe:
    """Start it all."""
    folder = ground.folder
    disk = SmallDisk(folder / "postgres", _DATABASE_BYTES)
    database = Database(disk.folder)
    authority = Authority()
    authority.issue(folder / "listener-tls", SERVER)
    stores = [Proxy(ground.network, database.port) for _ in range(LISTENERS)]
    ports = [free_port() for _ in range(LISTENERS)]
    links = [Proxy(ground.network, ports[n % LISTENERS]) for n in range(NODES)]
    receivers = [_listener(ground, n, ports[n], database.url(stores[n].port)) for n in range(LISTENERS)]
    senders = []
    for n, link in enumerate(links):
        name = f"node-{n}"
        database.pin(name, authority.issue(folder / f"{name}-tls", name))
        senders.append(_forwarder(ground, n, link.port))
    return Pipe(
        ground, senders, receivers, links, ports, stores, database, disk, "offsets.db*",
        lambda node, place, generation: saved_offset(ground.states[node].folder, place, generation),
    )  # fmt: skip


def _listener(ground: Ground, n: int, port: int, url: str) -> Daemon:
    tls = ground.folder / "listener-tls"
    environment = {
        **_SOONER, **ground.listener_clocks[n].environment,
        "HOSTNAME": f"listener-{n}",
        "DECNET_DATABASE_URL": url,
        "DECNET_LISTENER_HOST": "127.0.0.1",
        "DECNET_LISTENER_PORT": str(port),
        "DECNET_LISTENER_STATUS_HOST": "127.0.0.1",
        "DECNET_LISTENER_STATUS_PORT": str(free_port()),
        "DECNET_ARTIFACTS_DIR": str(ground.folder / f"artifacts-{n}"),
        "DECNET_LISTENER_TLS_CERT": str(tls / "tls.crt"),
        "DECNET_LISTENER_TLS_KEY": str(tls / "tls.key"),
        "DECNET_LISTENER_TLS_CA": str(tls / "ca.crt"),
    }  # fmt: skip
    command = [sys.executable, "-m", "decnet_intel.main", "listener"]
    return Daemon(f"listener-{n}", command, environment, ground.folder / f"listener-{n}.log")


def _forwarder(ground: Ground, n: int, port: int) -> Daemon:
    environment = {
        **_SOONER, **ground.node_clocks[n].environment,
        "DECNET_FORWARDER_LOG_ROOT": str(ground.pods(n)),
        "DECNET_FORWARDER_STATE_DIR": str(ground.states[n].folder),
        "DECNET_FORWARDER_TLS_DIR": str(ground.folder / f"node-{n}-tls"),
        "DECNET_FORWARDER_LISTENER": f"127.0.0.1:{port}",
        "DECNET_FORWARDER_SERVER_NAME": SERVER,
        "DECNET_FORWARDER_NODE": f"node-{n}",
        "DECNET_FORWARDER_HTTP_PORT": str(free_port()),
    }  # fmt: skip
    command = [sys.executable, "-m", "decnet_node.forwarder.main"]
    return Daemon(f"forwarder-{n}", command, environment, ground.folder / f"forwarder-{n}.log")
