"""Who gets which host, address, MAC address and name."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Any

import pytest
from operator_lab import holding, host, identity, machine

from decnet_operator.api.decky import Network
from decnet_operator.domain import data
from decnet_operator.domain.allocation import Claim, Place, World, allocate
from decnet_operator.domain.ledger import Holding, Ledger
from decnet_operator.domain.problem import ProblemError

OLD, NEW = "2025-01-01T00:00:00Z", "2027-01-01T00:00:00Z"


def world(*held: Holding, hosts: Any = None, **changes: Any) -> World:
    ledger = Ledger()
    for item in held:
        ledger.put(item)
    found = hosts if hosts is not None else [host()]
    return World(hosts={it.name: it for it in found}, ledger=ledger, **changes)


def decide(
    network: dict[str, Any] | None = None, *, name: str = "web", around: World | None = None, **spec: Any
) -> Place:
    return allocate(machine(name, **spec), Network.model_validate(network or {}), None, around or world())


def test_the_first_usable_address_of_the_range() -> None:
    place = decide()
    assert place.ip == IPv4Address("192.168.7.240")
    assert place.lan.host == "node-a"


def test_every_other_claim_on_an_address_counts() -> None:
    around = world(
        holding("held", "192.168.7.240"),
        claims=[Claim("uid-claims", NEW, "default/claims", IPv4Address("192.168.7.241"), None)],
        ending={IPv4Address("192.168.7.242"): "default/ending"},
        avoid={IPv4Address("192.168.7.243")},
        hosts=[host(), host("node-b", last=244)],
    )
    assert decide(around=around).ip == IPv4Address("192.168.7.245")


def test_what_it_has_it_keeps() -> None:
    kept = Holding(
        "uid-web", "default", "web", "node-a", IPv4Address("192.168.7.250"), "00:0c:29:aa:bb:cc", "mail3"
    )
    place = decide(around=world(kept, hosts=[host(), host("node-b", last=11)]))
    assert (place.lan.host, str(place.ip), place.mac, place.hostname) == (
        "node-a", "192.168.7.250", "00:0c:29:aa:bb:cc", "mail3",
    )  # fmt: skip


def test_an_address_that_a_stranger_has_is_given_up() -> None:
    kept = Holding(
        "uid-web", "default", "web", "node-a", IPv4Address("192.168.7.240"), "00:0c:29:aa:bb:cc", "mail3"
    )
    place = decide(around=world(kept, avoid={IPv4Address("192.168.7.240")}))
    assert str(place.ip) == "192.168.7.241"
    assert (place.mac, place.hostname) == ("00:0c:29:aa:bb:cc", "mail3")


def test_a_full_range_says_so() -> None:
    held = [holding(f"d{last}", f"192.168.7.{last}") for last in range(240, 255)]
    with pytest.raises(ProblemError, match=r"spec\.lan\.range") as caught:
        decide(around=world(*held))
    assert caught.value.problem.reason == "AddressRangeExhausted"


@pytest.mark.parametrize(
    ("ip", "reason", "word"),
    [
        ("10.9.9.9", "AddressOutsideLan", "192.168.7.0/24"),
        ("192.168.7.0", "AddressReserved", "network's own"),
        ("192.168.7.255", "AddressReserved", "broadcast"),
        ("192.168.7.1", "AddressReserved", "gateway"),
        ("192.168.7.10", "AddressReserved", "host node-a"),
        ("192.168.7.11", "AddressReserved", "host node-b"),
        ("192.168.7.60", "AddressInUse", "default/other"),
        ("192.168.7.61", "AddressInUse", "asked for before by decky default/older"),
        ("192.168.7.63", "AddressBusy", "default/ending"),
    ],
)
def test_an_address_that_cannot_be_had(ip: str, reason: str, word: str) -> None:
    around = world(
        holding("other", "192.168.7.60"),
        hosts=[host(), host("node-b", last=11)],
        claims=[
            Claim("uid-older", OLD, "default/older", IPv4Address("192.168.7.61"), None),
            Claim("uid-newer", NEW, "default/newer", IPv4Address("192.168.7.62"), None),
        ],
        ending={IPv4Address("192.168.7.63"): "default/ending"},
    )
    for network in ({"ip": ip}, {"ip": ip, "swarmHost": "node-a"}):
        with pytest.raises(ProblemError, match=word) as caught:
            decide(network, around=around)
        assert caught.value.problem.reason == reason
        assert ip in caught.value.problem.message


def test_the_older_of_two_gets_the_address() -> None:
    wanted = IPv4Address("192.168.7.62")
    around = world(claims=[Claim("uid-newer", NEW, "default/newer", wanted, None)])
    assert decide({"ip": str(wanted)}, around=around).ip == wanted


def test_the_host_with_the_fewest_deckies() -> None:
    hosts = [host(), host("node-b", last=11), host("node-c", ready=False, last=12)]
    assert decide(around=world(hosts=hosts)).lan.host == "node-a"
    assert decide(around=world(holding("x", "192.168.7.200"), hosts=hosts)).lan.host == "node-b"


def test_an_address_leads_to_its_lan() -> None:
    hosts = [host(), host("node-b", subnet="10.20.0.0/24")]
    place = decide({"ip": "10.20.0.77"}, around=world(hosts=hosts))
    assert place.lan.host == "node-b"


@pytest.mark.parametrize(
    ("network", "hosts", "reason", "word"),
    [
        ({}, [], "NoSwarmHost", "kubectl get swarmhosts"),
        ({}, [host(ready=False)], "NoSwarmHost", "kubectl get swarmhosts"),
        ({"swarmHost": "node-z"}, [host()], "NoSuchSwarmHost", "there are node-a"),
        (
            {"swarmHost": "node-a"},
            [host(ready=False, message="it is silent")],
            "SwarmHostNotReady",
            "it is silent",
        ),
        ({"driver": "ipvlan"}, [host(drivers=("macvlan",))], "DriverNotOffered", "spec.network.driver"),
        (
            {"driver": "ipvlan", "swarmHost": "node-a"},
            [host(drivers=("macvlan",))],
            "DriverNotOffered",
            "macvlan",
        ),
    ],
)
def test_no_host(network: dict[str, Any], hosts: list[Any], reason: str, word: str) -> None:
    with pytest.raises(ProblemError, match=word) as caught:
        decide(network, around=world(hosts=hosts))
    assert caught.value.problem.reason == reason


def test_it_stays_where_it_is_while_the_host_is_away_and_moves_when_that_is_gone() -> None:
    kept = Holding(
        "uid-web", "default", "web", "node-a", IPv4Address("192.168.7.250"), "00:0c:29:aa:bb:cc", "mail3"
    )
    away = world(kept, hosts=[host(ready=False), host("node-b", last=11)])
    assert decide(around=away).lan.host == "node-a"
    moved = decide(around=world(kept, hosts=[host("node-b", last=11)]))
    assert (moved.lan.host, str(moved.ip), moved.mac) == ("node-b", "192.168.7.250", "00:0c:29:aa:bb:cc")


def test_mac_addresses() -> None:
    prefixes = {p for vendor in data.families()["linux"].vendors for p in data.vendors()[vendor].prefixes}
    first = decide().mac
    assert first[:8] in prefixes
    assert decide().mac == first, "the same seed gives the same address"
    other = decide(around=world(holding("x", "192.168.7.200", mac=first))).mac
    assert other != first
    assert decide({"mac": "00:0C:29:0A:0B:0C"}).mac == "00:0c:29:0a:0b:0c"
    cisco = decide(services=[{"name": "alpha"}], os="cisco").mac
    assert cisco[:8] in data.vendors()["cisco"].prefixes


@pytest.mark.parametrize(
    ("network", "reason"),
    [
        ({"mac": "00:0c:29:00:00:99"}, "MacInUse"),
        ({"mac": "02:42:ac:12:00:0a"}, "MacInUse"),
        ({"mac": "00:0c:29:00:00:01", "driver": "ipvlan"}, "MacNotPossible"),
    ],
)
def test_mac_addresses_that_cannot_be_had(network: dict[str, Any], reason: str) -> None:
    with pytest.raises(ProblemError) as caught:
        decide(network, around=world(holding("x", "192.168.7.200")))
    assert caught.value.problem.reason == reason


def test_ipvlan_shares_the_hosts_mac() -> None:
    assert decide({"driver": "ipvlan"}).mac == "02:42:ac:12:00:0a"


def test_host_names_fit_and_differ() -> None:
    names = set()
    for number in range(30):
        who = identity(f"d{number}")
        made = machine(f"d{number}", archetype="deaddeck", services=[{"name": "alpha"}])
        assert made.identity.uid == who.uid
        ledger = Ledger()
        for name in names:
            ledger.put(Holding(name, "default", name, "node-a", IPv4Address("192.168.7.2"), "", name))
        place = allocate(made, Network(), None, World({"node-a": host()}, ledger))
        assert place.hostname not in names
        names.add(place.hostname)
    assert allocate(machine(), Network(), "named", world()).hostname == "named"
