"""Who has which address: the one place that knows, so that two deckies never get the same.

Filled from the Deckies' status at start and changed by allocation in the same step of the event loop, so that
what was given away a moment ago is known before the API server has heard of it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from ipaddress import IPv4Address


@dataclass(frozen=True, slots=True)
class Holding:
    """What one Decky has for life."""

    uid: str
    namespace: str
    name: str
    host: str
    ip: IPv4Address
    mac: str
    hostname: str

    @property
    def label(self) -> str:
        """For messages."""
        return f"{self.namespace}/{self.name}"


class Ledger:
    """Holdings by the Decky's uid."""

    def __init__(self) -> None:
        self._by_uid: dict[str, Holding] = {}

    def __contains__(self, uid: str) -> bool:
        return uid in self._by_uid

    def get(self, uid: str) -> Holding | None:
        """What this Decky has."""
        return self._by_uid.get(uid)

    def put(self, holding: Holding) -> None:
        """Record, or replace, what a Decky has."""
        self._by_uid[holding.uid] = holding

    def release(self, uid: str) -> None:
        """The Decky is gone."""
        self._by_uid.pop(uid, None)

    def others(self, uid: str) -> list[Holding]:
        """What all the others have."""
        return [holding for holding in self._by_uid.values() if holding.uid != uid]

    def counts(self) -> Counter[str]:
        """Deckies by host."""
        return Counter(holding.host for holding in self._by_uid.values())

    def hosts_in_use(self) -> set[str]:
        """Hosts that carry a decky."""
        return {holding.host for holding in self._by_uid.values()}
