"""The cluster as the decisions about one Decky see it."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator, Mapping
from ipaddress import IPv4Address, IPv4Interface

from pydantic import ValidationError

from decnet_operator.api.decky import DeckySpec, DeckyStatus
from decnet_operator.api.swarmhost import SwarmHostStatus
from decnet_operator.domain.allocation import Claim, World
from decnet_operator.domain.lan import Lan
from decnet_operator.domain.ledger import Holding
from decnet_operator.domain.machine import Identity
from decnet_operator.domain.placement import Host
from decnet_operator.domain.seed import decky_seed
from decnet_operator.reconcile.state import Body, State
from decnet_operator.specs.names import DEFAULT_NETWORK

log = logging.getLogger(__name__)


def identity(body: Body, install_secret: bytes) -> Identity:
    """Who a Decky is."""
    it = body["metadata"]
    seed = decky_seed(install_secret, it["namespace"], it["name"], it["uid"])
    return Identity(it["namespace"], it["name"], it["uid"], it.get("creationTimestamp") or "", seed)


def owner_uid(pod: Body) -> str:
    """The uid of the Decky that a pod belongs to, empty when it belongs to none."""
    for owner in pod["metadata"].get("ownerReferences") or []:
        if owner.get("kind") == "Decky" and owner.get("controller"):
            return str(owner["uid"])
    return ""


def pod_addresses(pod: Body) -> Iterator[IPv4Address]:
    """Addresses that a pod was given."""
    try:
        for network in json.loads(pod["metadata"].get("annotations", {}).get(DEFAULT_NETWORK, "[]")):
            yield from (IPv4Interface(text).ip for text in network.get("ips", []))
    except (ValueError, TypeError, AttributeError):
        return


def holding(body: Body) -> Holding | None:
    """What a Decky's status says that it has."""
    it = body["metadata"]
    try:
        status = DeckyStatus.model_validate(body.get("status") or {})
        if not (status.ip and status.mac and status.node and status.hostname):
            return None
        ip = IPv4Address(status.ip)
    except (ValidationError, ValueError):
        return None
    return Holding(it["uid"], it["namespace"], it["name"], status.node, ip, status.mac, status.hostname)


def load_ledger(state: State) -> None:
    """Once, before anything is given away: what all Deckies have already. The older of two keeps an address."""
    bodies = sorted(state.caches.deckies.all(), key=_age)
    taken: set[IPv4Address] = set()
    for body in bodies:
        found = holding(body)
        if found is not None and found.ip not in taken:
            taken.add(found.ip)
            state.ledger.put(found)
        elif found is not None:
            log.warning("%s has the address %s of an older Decky", found.label, found.ip)
    state.loaded = True


def _age(body: Body) -> tuple[str, str]:
    it = body["metadata"]
    return (it.get("creationTimestamp") or "", it["uid"])


def world(state: State, uid: str) -> World:
    """Everything beside the Decky `uid`."""
    live = {body["metadata"]["uid"] for body in state.caches.deckies.all()}
    return World(
        hosts=hosts(state),
        ledger=state.ledger,
        claims=list(_claims(state.caches.deckies.all())),
        ending=dict(_ending(state.caches.pods.all(), live - {uid}, uid)),
        avoid=state.avoided(),
    )


def _ending(pods: Iterable[Body], live: set[str], uid: str) -> Iterator[tuple[IPv4Address, str]]:
    """Addresses on pods whose Decky is gone; those of living Deckies are in the ledger."""
    for pod in pods:
        owner = owner_uid(pod)
        if owner and owner != uid and owner not in live:
            for address in pod_addresses(pod):
                yield address, f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"


def _claims(deckies: Iterable[Body]) -> Iterator[Claim]:
    for body in deckies:
        it, spec = body["metadata"], body.get("spec", {})
        network = spec.get("network") or {}
        if network.get("ip"):
            try:
                ip = IPv4Address(network["ip"])
            except ValueError:
                continue
            label = f"{it['namespace']}/{it['name']}"
            yield Claim(it["uid"], it.get("creationTimestamp") or "", label, ip, network.get("mac"))


def hosts(state: State) -> Mapping[str, Host]:
    """SwarmHosts by name, as their status describes them."""
    return {host.name: host for host in (_host(state.fresh(body)) for body in state.caches.hosts.all())}


def _host(body: Body) -> Host:
    name = body["metadata"]["name"]
    try:
        status = SwarmHostStatus.model_validate(body.get("status") or {})
        lan = Lan.from_status(name, status.lan)
    except (ValidationError, ValueError) as error:
        return Host(name, False, None, f"its status cannot be read: {error}")
    ready = next((it for it in status.conditions if it.type == "Ready"), None)
    leaving = bool(body["metadata"].get("deletionTimestamp"))
    if ready is None:
        return Host(name, False, lan, "it was not looked at yet")
    return Host(name, ready.status == "True" and not leaving, lan, ready.message)


def spec_of(body: Body) -> DeckySpec:
    """The spec as a value. Raises ValidationError where the API server's checks were passed by."""
    return DeckySpec.model_validate(body.get("spec") or {})
