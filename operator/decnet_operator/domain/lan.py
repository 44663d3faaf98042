"""The LAN of a SwarmHost: what the agent detected, with what people say put before it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from decnet_operator.api.swarmhost import LanOverride, LanStatus
from decnet_operator.domain.problem import ProblemError

_LONGEST_RANGE = 24
_QUARTER = 2


@dataclass(frozen=True, slots=True)
class Lan:
    """One Ethernet segment as one node sees it.

    `address` is the node's own, `drivers` what its kernel has (empty: unknown), `driver` the default.
    """

    host: str
    interface: str
    subnet: IPv4Network
    gateway: IPv4Address | None
    range: IPv4Network
    drivers: tuple[str, ...]
    driver: str
    address: IPv4Address | None = None
    mac: str | None = None

    def status(self) -> LanStatus:
        """As SwarmHost.status shows it."""
        return LanStatus(
            interface=self.interface,
            subnet=str(self.subnet),
            gateway=str(self.gateway) if self.gateway else None,
            address=str(self.address) if self.address else None,
            mac=self.mac,
            range=str(self.range),
            driver=self.driver,
            drivers=self.drivers,
        )

    @classmethod
    def from_status(cls, host: str, status: LanStatus | None) -> Lan | None:
        """The LAN in a SwarmHost's status; None when there is none (yet)."""
        if status is None or not (status.interface and status.subnet and status.range):
            return None
        return cls(
            host=host,
            interface=status.interface,
            subnet=IPv4Network(status.subnet),
            gateway=IPv4Address(status.gateway) if status.gateway else None,
            range=IPv4Network(status.range),
            drivers=status.drivers,
            driver=status.driver or "macvlan",
            address=IPv4Address(status.address) if status.address else None,
            mac=status.mac,
        )

    def reserved(self, address: IPv4Address) -> str | None:
        """What `address` is when no decky may have it."""
        if address == self.subnet.network_address:
            return "the network's own address"
        if address == self.subnet.broadcast_address:
            return "the broadcast address"
        if address == self.gateway:
            return "the gateway"
        if address == self.address:
            return f"the address of host {self.host}"
        return None

    def usable(self, address: IPv4Address) -> bool:
        """Whether an address that is chosen may be this one; .0 and .255 are legal, but look odd."""
        return self.reserved(address) is None and address.packed[3] not in (0, 255)


def default_range(subnet: IPv4Network) -> IPv4Network:
    """The last quarter of the subnet, but a /24 at most."""
    prefix = min(32, max(_LONGEST_RANGE, subnet.prefixlen + _QUARTER))
    last = int(subnet.broadcast_address) >> (32 - prefix) << (32 - prefix)
    return IPv4Network((last, prefix))


def detected(annotation: str | None) -> dict[str, Any]:
    """The Lease annotation `decnet.io/lan`; empty when there is none that can be read."""
    try:
        value = json.loads(annotation or "{}")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def effective_lan(
    host: str, found: Mapping[str, Any], override: LanOverride | None, wanted_range: str
) -> Lan:
    """The LAN in force. `wanted_range` is for LANs whose SwarmHost names none. Raises ProblemError."""
    said = override or LanOverride()
    interface = said.interface or found.get("interface")
    seen = dict(found) if interface == found.get("interface") else {}
    subnet_text = said.subnet or seen.get("subnet")
    if found.get("interface") and interface != found["interface"]:
        raise ProblemError(
            "InterfaceNotGuarded",
            f"spec.lan.interface is {interface}, but the node agent guards {found['interface']}:"
            " set the chart value nodeAgent.interface, or remove spec.lan.interface",
        )
    if not interface or not subnet_text:
        what = f"spec.lan.subnet and spec.lan.gateway of {interface}" if interface else "spec.lan"
        raise ProblemError("NoLan", f"the node agent detected no LAN: set {what} of this SwarmHost")
    subnet = _network(subnet_text, "spec.lan.subnet")
    gateway_text = said.gateway or seen.get("gateway")
    gateway = IPv4Address(gateway_text) if gateway_text else None
    if gateway is not None and gateway not in subnet:
        raise ProblemError("LanInvalid", f"the gateway {gateway} is outside {subnet}: set spec.lan.gateway")
    drivers = tuple(str(driver) for driver in seen.get("drivers", ()))
    driver = said.driver or (drivers[0] if drivers and "macvlan" not in drivers else "macvlan")
    return Lan(
        host=host,
        interface=str(interface),
        subnet=subnet,
        gateway=gateway,
        range=_range(subnet, said.range, wanted_range),
        drivers=drivers,
        driver=driver,
        address=IPv4Address(seen["address"]) if seen.get("address") else None,
        mac=seen.get("mac"),
    )


def _range(subnet: IPv4Network, own: str | None, general: str) -> IPv4Network:
    text, field = (own, "spec.lan.range") if own else (general, "the chart value swarmHosts.range")
    if not text:
        return default_range(subnet)
    wanted = _network(text, field)
    if not wanted.subnet_of(subnet):
        raise ProblemError("LanInvalid", f"{field} {wanted} is not a part of the LAN {subnet}: correct it")
    return wanted


def _network(text: str, field: str) -> IPv4Network:
    try:
        return IPv4Network(text)
    except ValueError as error:
        raise ProblemError(
            "LanInvalid", f"{field} is {text}, not an IPv4 network in CIDR notation"
        ) from error
