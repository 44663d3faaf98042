"""Address, MAC address and host name of a decky: as asked for, else as before, else chosen."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address

from decnet_operator.api.decky import Network
from decnet_operator.domain.hostname import choose_hostname
from decnet_operator.domain.lan import Lan
from decnet_operator.domain.ledger import Holding, Ledger
from decnet_operator.domain.mac import choose_mac
from decnet_operator.domain.machine import Machine
from decnet_operator.domain.placement import Host, choose_host, require_driver
from decnet_operator.domain.problem import ProblemError


@dataclass(frozen=True, slots=True)
class Claim:
    """A Decky whose spec names an address."""

    uid: str
    created: str
    label: str
    ip: IPv4Address | None
    mac: str | None

    def before(self, other: Claim) -> bool:
        """Whether this Decky is the older one."""
        return (self.created, self.uid) < (other.created, other.uid)


@dataclass(frozen=True, slots=True)
class World:
    """What else there is. `ending` maps addresses that old pods still wear to the pods' names."""

    hosts: Mapping[str, Host]
    ledger: Ledger
    claims: Sequence[Claim] = ()
    ending: Mapping[IPv4Address, str] | None = None
    avoid: Collection[IPv4Address] = ()


@dataclass(frozen=True, slots=True)
class Place:
    """Where a machine is: host, LAN and what it has there."""

    lan: Lan
    driver: str
    ip: IPv4Address
    mac: str
    hostname: str

    def holding(self, machine: Machine) -> Holding:
        """For the ledger."""
        who = machine.identity
        return Holding(who.uid, who.namespace, who.name, self.lan.host, self.ip, self.mac, self.hostname)


def allocate(machine: Machine, network: Network, hostname: str | None, world: World) -> Place:
    """The place of `machine`. Raises ProblemError. What it has in the ledger stays as long as it may."""
    who = machine.identity
    held = world.ledger.get(who.uid)
    others = world.ledger.others(who.uid)
    claim = Claim(
        who.uid, who.created, who.label, IPv4Address(network.ip) if network.ip else None, network.mac
    )
    _, lan = choose_host(network, held.host if held else None, world.hosts, _load(others))
    driver = require_driver(network, lan)
    names = {other.hostname for other in others}
    return Place(
        lan=lan,
        driver=driver,
        ip=_address(claim, lan, held, others, world),
        mac=_mac(machine, network.mac, driver, lan, held, others, world),
        hostname=hostname
        or (held.hostname if held else "")
        or choose_hostname(who.seed, machine.hostname_patterns, names.__contains__),
    )


def _load(others: Sequence[Holding]) -> dict[str, int]:
    load: dict[str, int] = {}
    for other in others:
        load[other.host] = load.get(other.host, 0) + 1
    return load


def _address(
    claim: Claim, lan: Lan, held: Holding | None, others: Sequence[Holding], world: World
) -> IPv4Address:
    if claim.ip is not None:
        _require_free(claim.ip, claim, lan, others, world)
        return claim.ip
    if (
        held is not None
        and held.ip in lan.subnet
        and not lan.reserved(held.ip)
        and held.ip not in world.avoid
    ):
        return held.ip
    taken = {other.ip for other in others} | {other.ip for other in world.claims if other.uid != claim.uid}
    taken |= {host.lan.address for host in world.hosts.values() if host.lan}
    taken |= set(world.ending or ()) | set(world.avoid)
    # Plain iteration over the network, not .hosts(): a range inside a subnet has no broadcast address of its own.
    for address in lan.range:
        if address not in taken and lan.usable(address):
            return address
    raise ProblemError(
        "AddressRangeExhausted",
        f"no address is free in {lan.range} of host {lan.host}: enlarge spec.lan.range of that SwarmHost,"
        " or delete deckies",
    )


def _require_free(ip: IPv4Address, claim: Claim, lan: Lan, others: Sequence[Holding], world: World) -> None:
    advice = "choose another one, or remove it to have one chosen"
    if ip not in lan.subnet:
        raise ProblemError(
            "AddressOutsideLan",
            f"spec.network.ip {ip} is outside the LAN {lan.subnet} of host {lan.host}; {advice}",
        )
    for host in world.hosts.values():
        if host.lan and (what := host.lan.reserved(ip)):
            raise ProblemError("AddressReserved", f"spec.network.ip {ip} is {what}; {advice}")
    for other in others:
        if other.ip == ip:
            raise ProblemError(
                "AddressInUse", f"spec.network.ip {ip} is in use by decky {other.label}; {advice}"
            )
    for older in world.claims:
        if (
            older.ip == ip
            and older.uid != claim.uid
            and older.before(claim)
            and older.uid not in world.ledger
        ):
            raise ProblemError(
                "AddressInUse", f"spec.network.ip {ip} was asked for before by decky {older.label}; {advice}"
            )
    if pod := (world.ending or {}).get(ip):
        raise ProblemError("AddressBusy", f"waiting for pod {pod} to end, which still has {ip}", passing=True)


def _mac(
    machine: Machine, wanted: str | None, driver: str, lan: Lan, held: Holding | None,
    others: Sequence[Holding], world: World,
) -> str:  # fmt: skip
    if driver == "ipvlan":
        if wanted:
            raise ProblemError(
                "MacNotPossible",
                "spec.network.mac: ipvlan shares the host's MAC address; remove it or use macvlan",
            )
        return lan.mac or "00:00:00:00:00:00"
    owners = {other.mac: f"decky {other.label}" for other in others}
    owners |= {
        host.lan.mac: f"host {host.name}" for host in world.hosts.values() if host.lan and host.lan.mac
    }
    if wanted:
        mac = wanted.lower()
        if mac in owners:
            raise ProblemError(
                "MacInUse",
                f"spec.network.mac {mac} is in use by {owners[mac]};"
                " choose another one, or remove it to have one chosen",
            )
        return mac
    if held is not None and held.mac not in owners:
        return held.mac
    return choose_mac(machine.identity.seed, machine.vendors, owners.__contains__)
