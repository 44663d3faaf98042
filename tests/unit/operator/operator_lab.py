"""Values that several tests of the operator start from."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

from decnet_operator.api.decky import DeckySpec
from decnet_operator.domain.allocation import Place
from decnet_operator.domain.catalogue import Catalogue, load_catalogue
from decnet_operator.domain.lan import Lan
from decnet_operator.domain.ledger import Holding
from decnet_operator.domain.machine import Identity, Machine, resolve
from decnet_operator.domain.placement import Host
from decnet_operator.specs.pod import Deployment

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
SEED = "5e" * 32
DEPLOYMENT = Deployment(
    namespace="decnet",
    images={"persona": "decnet/persona:1", "alpha": "decnet/alpha:1", "beta": "decnet/beta:1"},
)


def catalogue() -> Catalogue:
    """Services made for tests: `alpha` (root, port 22) and `beta` (no privileges, ports 80 and 8080)."""
    return load_catalogue(HERE / "services")


def lan(host: str = "node-a", subnet: str = "192.168.7.0/24", last: int = 10, **changes: Any) -> Lan:
    """A LAN whose node has the address that ends in `last`."""
    network = IPv4Network(subnet)
    values: dict[str, Any] = {
        "host": host,
        "interface": "eth0",
        "subnet": network,
        "gateway": network.network_address + 1,
        "range": IPv4Network(f"{network.broadcast_address - 15}/28"),
        "drivers": ("macvlan", "ipvlan"),
        "driver": "macvlan",
        "address": network.network_address + last,
        "mac": f"02:42:ac:12:00:{last:02x}",
    }
    return Lan(**{**values, **changes})


def host(name: str = "node-a", *, ready: bool = True, message: str = "", **changes: Any) -> Host:
    """A SwarmHost with its LAN."""
    return Host(name, ready, lan(name, **changes), message)


def identity(name: str = "web", uid: str = "", created: str = "2026-01-01T00:00:00Z") -> Identity:
    """Who a Decky is."""
    return Identity("default", name, uid or f"uid-{name}", created, SEED)


def machine(name: str = "web", **spec: Any) -> Machine:
    """A machine with `spec` as in YAML; service alpha unless it says otherwise."""
    given = spec or {"services": [{"name": "alpha"}]}
    return resolve(identity(name), DeckySpec.model_validate(given), catalogue())


def place(**changes: Any) -> Place:
    """Where a machine is."""
    values: dict[str, Any] = {
        "lan": lan(),
        "driver": "macvlan",
        "ip": IPv4Address("192.168.7.241"),
        "mac": "00:0c:29:01:02:03",
        "hostname": "web01",
    }
    return Place(**{**values, **changes})


def holding(name: str, ip: str, host_name: str = "node-a", mac: str = "00:0c:29:00:00:99") -> Holding:
    """What another Decky has."""
    return Holding(f"uid-{name}", "default", name, host_name, IPv4Address(ip), mac, f"{name}-host")
