"""What all reconcilers share: caches of the cluster, the ledger, and what they tell each other."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import IPv4Address
from typing import Any, Protocol

from decnet_operator.api.swarmhost import CertificateStatus
from decnet_operator.domain.catalogue import Catalogue
from decnet_operator.domain.ledger import Ledger
from decnet_operator.domain.pki import KeyPair
from decnet_operator.kube.client import Kube
from decnet_operator.kube.events import Recorder
from decnet_operator.reconcile.queue import Key, Queue
from decnet_operator.settings import OperatorSettings
from decnet_operator.specs.pod import Deployment

Body = Mapping[str, Any]


class Index(Protocol):
    """What we need of kopf's index: values by (namespace, name)."""

    def __iter__(self) -> Iterator[Any]: ...

    def __getitem__(self, key: Any, /) -> Any: ...

    def __contains__(self, key: object, /) -> bool: ...


class Cache:
    """Objects of one kind as the last watch event had them. Complete before the first event is handled.

    kopf forgets an object when it sees its deletion. One that it missed, as after a long absence of the API
    server, stays in its index for good; the audit finds those and hides them here.
    """

    def __init__(self) -> None:
        self._index: Index | None = None
        self._hidden: set[str] = set()

    def bind(self, index: Index) -> None:
        """Use kopf's index of this kind."""
        self._index = index

    @property
    def bound(self) -> bool:
        """Whether there is anything to look into yet."""
        return self._index is not None

    def hide(self, uid: str) -> None:
        """The object with this uid is gone, whatever the index says."""
        self._hidden.add(uid)

    def get(self, name: str, namespace: str = "") -> Body | None:
        """One object, None when there is none. Of two of one name the newer: the other's end is just being handled."""
        return max(self._of((namespace, name)), key=_version, default=None)

    def all(self) -> Iterator[Body]:
        """Every object."""
        for key in list(self._index or ()):
            yield from self._of(key)

    def _of(self, key: tuple[str, str]) -> list[Body]:
        if self._index is None or key not in self._index:
            return []
        return [body for body in self._index[key] if body["metadata"]["uid"] not in self._hidden]


@dataclass
class Caches:
    """One cache a kind that is watched."""

    deckies: Cache = field(default_factory=Cache)
    hosts: Cache = field(default_factory=Cache)
    pods: Cache = field(default_factory=Cache)
    nodes: Cache = field(default_factory=Cache)
    requests: Cache = field(default_factory=Cache)

    @property
    def bound(self) -> bool:
        """Whether all of them can be used."""
        return all(cache.bound for cache in (self.deckies, self.hosts, self.pods, self.nodes, self.requests))


@dataclass
class State:
    """The operator's memory. What is lost with it at a restart is found again in the cluster."""

    settings: OperatorSettings
    deployment: Deployment
    catalogue: Catalogue
    kube: Kube
    queue: Queue
    caches: Caches = field(default_factory=Caches)
    events: Recorder = field(default_factory=Recorder)
    ledger: Ledger = field(default_factory=Ledger)
    install_secret: bytes = b""
    authority: KeyPair | None = None
    leases: dict[str, Body] = field(default_factory=dict)
    pins: dict[str, CertificateStatus] = field(default_factory=dict)  # by the SwarmHost's uid
    waiting: set[Key] = field(default_factory=set)  # deckies that another object's change may help
    loaded: bool = False
    swept_at: float = 0.0
    prepared: asyncio.Event = field(default_factory=asyncio.Event)
    _quarantine: dict[IPv4Address, float] = field(default_factory=dict)
    _written: dict[str, Body] = field(default_factory=dict)

    def check_prepared(self) -> None:
        """Let the workers begin once caches, secrets and the first look at the Leases are there."""
        if self.caches.bound and self.authority and self.swept_at:
            self.prepared.set()

    def fresh(self, body: Body) -> Body:
        """`body`, or what the API server answered to our last write to it when the watch is behind that."""
        uid = body["metadata"]["uid"]
        written = self._written.get(uid)
        if written is not None and _version(written) > _version(body):
            return written
        self._written.pop(uid, None)
        return body

    def wrote(self, body: Body) -> None:
        """Remember what the API server answered."""
        self._written[body["metadata"]["uid"]] = body

    def forget(self, uid: str) -> None:
        """The object with this uid is gone."""
        self._written.pop(uid, None)
        self.pins.pop(uid, None)
        self.ledger.release(uid)

    def avoid(self, address: IPv4Address) -> None:
        """A stranger has `address`: do not give it away for a while."""
        self._quarantine[address] = time.monotonic() + self.settings.quarantine_seconds

    def avoided(self) -> set[IPv4Address]:
        """Addresses not to give away now."""
        now = time.monotonic()
        self._quarantine = {address: until for address, until in self._quarantine.items() if until > now}
        return set(self._quarantine)

    def wake_waiting(self) -> None:
        """Look again at deckies that waited for something that may have happened."""
        for key in list(self.waiting):
            self.queue.add(key)


def _version(body: Body) -> int:
    return int(body["metadata"].get("resourceVersion") or 0)


def now_text() -> str:
    """The time for conditions."""
    return datetime.now(UTC).replace(microsecond=0).isoformat().replace("+00:00", "Z")


def decky_key(body: Body) -> Key:
    """The key of a Decky, or of the Decky that a pod of the same name belongs to."""
    return Key("decky", body["metadata"]["name"], body["metadata"]["namespace"])
