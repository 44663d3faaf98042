"""The LAN that this node's deckies live on, as `ip -j` shows it. Parsing is pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from typing import Any

from decnet_node.agent.tool import ToolError, run

DRIVERS = ("macvlan", "ipvlan")
_PROBE = "decnet-probe"
_KNOWN_BUT_NO_PARENT = ("Invalid argument", "No such device")


class NoLanError(RuntimeError):
    """The node has no interface that could carry deckies; the message says why."""


@dataclass(frozen=True, slots=True)
class Lan:
    """One interface, what is on its link, and which addresses are the node's own there.

    `prefixes` are the IPv4 networks on the link, the first being `subnet`.
    """

    interface: str
    mac: str
    address: IPv4Address
    subnet: IPv4Network
    gateway: IPv4Address | None
    prefixes: tuple[IPv4Network, ...]
    own: tuple[IPv4Address, ...]
    prefixes6: tuple[IPv6Network, ...]
    own6: tuple[IPv6Address, ...]

    def annotation(self, drivers: Iterable[str]) -> str:
        """The Lease annotation `decnet.io/lan`."""
        return json.dumps(
            {
                "interface": self.interface,
                "subnet": str(self.subnet),
                "gateway": str(self.gateway) if self.gateway else None,
                "address": str(self.address),
                "mac": self.mac,
                "drivers": list(drivers),
            }
        )


def choose_lan(routes: list[Mapping[str, Any]], links: list[Mapping[str, Any]], interface: str = "") -> Lan:
    """The LAN in the output of `ip -j -4 route show default` and `ip -j address`.

    `interface` overrides the default route with the lowest metric. Raises NoLanError.
    """
    defaults = sorted(
        (route for route in routes if route.get("dev")), key=lambda route: route.get("metric", 0)
    )
    name = interface or (defaults[0]["dev"] if defaults else "")
    if not name:
        raise NoLanError("no default route; set the interface")
    link = next((link for link in links if link.get("ifname") == name), None)
    if link is None:
        raise NoLanError(f"interface {name} does not exist")
    if link.get("link_type") != "ether":
        raise NoLanError(f"interface {name} is not Ethernet but {link.get('link_type')}")
    inet = [IPv4Interface(f"{a['local']}/{a['prefixlen']}") for a in _addresses(link, "inet")]
    usable = [it for it in inet if it.network.prefixlen <= 30]
    if not usable:
        raise NoLanError(f"interface {name} has no IPv4 address with a subnet")
    gateways = [
        IPv4Address(r["gateway"]) for r in defaults if r["dev"] == name and "." in r.get("gateway", "")
    ]
    gateway = gateways[0] if gateways else None
    main = next((it for it in usable if gateway in it.network), usable[0]) if gateway else usable[0]
    prefixes = (main.network, *(it.network for it in usable if it.network != main.network))
    inet6 = [IPv6Interface(f"{a['local']}/{a['prefixlen']}") for a in _addresses(link, "inet6")]
    link_local = IPv6Network("fe80::/10")
    prefixes6 = {link_local, *(it.network for it in inet6 if it.network.prefixlen >= 1)}
    own = {IPv4Address(a["local"]) for other in links for a in _addresses(other, "inet")}
    own6 = {IPv6Address(a["local"]) for other in links for a in _addresses(other, "inet6")}
    # Link-local addresses of other links never come here, and those of pods' links come and go all the time.
    own6 = {address for address in own6 if not address.is_link_local} | {it.ip for it in inet6}
    return Lan(
        interface=name,
        mac=str(link["address"]).lower(),
        address=main.ip,
        subnet=main.network,
        gateway=gateway,
        prefixes=tuple(dict.fromkeys(prefixes)),
        own=tuple(sorted(address for address in own if any(address in net for net in prefixes))),
        prefixes6=tuple(
            sorted(net for net in prefixes6 if net == link_local or not net.subnet_of(link_local))
        ),
        own6=tuple(sorted(address for address in own6 if any(address in net for net in prefixes6))),
    )


def _addresses(link: Mapping[str, Any], family: str) -> list[Mapping[str, Any]]:
    return [a for a in link.get("addr_info", []) if a.get("family") == family and a.get("local")]


async def detect_lan(interface: str = "") -> Lan:
    """The LAN as it is now. Raises NoLanError, also when `ip` fails."""
    try:
        routes = json.loads(await run("ip", "-j", "-4", "route", "show", "default") or "[]")
        links = json.loads(await run("ip", "-j", "address", "show"))
    except (ToolError, ValueError) as error:
        raise NoLanError(str(error)) from error
    return choose_lan(routes, links, interface)


async def offered_drivers() -> list[str]:
    """Which of DRIVERS the kernel has.

    Asks for a link without a parent: a kernel that knows the kind (loading its module) refuses for the
    missing parent, one that does not says so. Nothing is ever created, and unlike a trial link on
    the LAN the answer does not depend on which children are there already.
    """
    return [driver for driver in DRIVERS if await kernel_knows(driver)]


async def kernel_knows(driver: str) -> bool:
    """Whether the kernel knows links of kind `driver`. False, too, when we may not ask (no NET_ADMIN)."""
    try:
        await run("ip", "link", "add", "name", _PROBE, "type", driver)
    except ToolError as error:
        return any(refusal in str(error) for refusal in _KNOWN_BUT_NO_PARENT)
    await run("ip", "link", "delete", _PROBE)
    return True
