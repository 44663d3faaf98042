"""Which host carries a decky."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address

from decnet_operator.api.decky import Network
from decnet_operator.domain.lan import Lan
from decnet_operator.domain.problem import ProblemError

LOOK = "`kubectl get swarmhosts` shows them"


@dataclass(frozen=True, slots=True)
class Host:
    """A SwarmHost as placement sees it. `message` says why it is not ready."""

    name: str
    ready: bool
    lan: Lan | None
    message: str = ""


def choose_host(
    network: Network, current: str | None, hosts: Mapping[str, Host], load: Mapping[str, int]
) -> tuple[Host, Lan]:
    """The host for a decky that is on `current` now, with its LAN. Raises ProblemError.

    One that is placed stays, also while its host is away: an address must not move to another wire by itself.
    """
    if network.swarm_host:
        return _named(network.swarm_host, network, current, hosts)
    if current is not None and current in hosts and (lan := hosts[current].lan) and _can_carry(lan, network):
        return hosts[current], lan
    ready = [(host, host.lan) for host in hosts.values() if host.ready and host.lan]
    if not ready:
        raise ProblemError("NoSwarmHost", f"no SwarmHost is Ready; {LOOK}")
    fitting = [(host, lan) for host, lan in ready if _can_carry(lan, network)]
    if not fitting:
        lans = ", ".join(sorted({f"{lan.subnet} ({host.name})" for host, lan in ready}))
        raise _outside_all(network, lans)
    return min(fitting, key=lambda it: (load.get(it[0].name, 0), it[0].name))


def _named(name: str, network: Network, current: str | None, hosts: Mapping[str, Host]) -> tuple[Host, Lan]:
    host = hosts.get(name)
    if host is None:
        known = ", ".join(sorted(hosts)) or "none yet"
        raise ProblemError(
            "NoSuchSwarmHost",
            f"spec.network.swarmHost: there is no SwarmHost {name}; there are {known} (kubectl get swarmhosts)",
        )
    if host.lan is None or (not host.ready and current != name):
        raise ProblemError(
            "SwarmHostNotReady",
            f"spec.network.swarmHost: SwarmHost {name} is not Ready: {host.message}; {LOOK}",
        )
    require_driver(network, host.lan)
    return host, host.lan


def _can_carry(lan: Lan, network: Network) -> bool:
    in_lan = network.ip is None or IPv4Address(network.ip) in lan.subnet
    return in_lan and _offers(lan, network.driver or lan.driver)


def _offers(lan: Lan, driver: str) -> bool:
    return not lan.drivers or driver in lan.drivers


def require_driver(network: Network, lan: Lan) -> str:
    """The driver in force. Raises ProblemError when the host's kernel lacks it."""
    driver = network.driver or lan.driver
    if not _offers(lan, driver):
        raise ProblemError(
            "DriverNotOffered",
            f"spec.network.driver: the kernel of host {lan.host} has no {driver}; it has {', '.join(lan.drivers)}",
        )
    return driver


def _outside_all(network: Network, lans: str) -> ProblemError:
    if network.ip is not None:
        return ProblemError(
            "AddressOutsideLan",
            f"spec.network.ip {network.ip} is on the LAN of no Ready SwarmHost that can carry the decky: {lans};"
            " choose an address there, or remove it to have one chosen",
        )
    return ProblemError(
        "DriverNotOffered",
        f"spec.network.driver: no Ready SwarmHost has {network.driver} in its kernel; remove it or choose another",
    )
