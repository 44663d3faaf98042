"""Counts refused packets and decides when to report them."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import NamedTuple

from . import netlink, ruleset

REPORT_INTERVAL = 60.0
"""Seconds between two reports of one destination."""

_PROTOCOLS = {1: "icmp", 6: "tcp", 17: "udp"}


class Destination(NamedTuple):
    """Where a refused packet wanted to go.

    `port` is 0 where the protocol has none, and for the ports that the kernel's set had no room for.
    """

    address: str
    protocol: str
    port: int


ELSEWHERE = Destination("0.0.0.0", "any", 0)  # noqa: S104  # names no address to listen on
"""All destinations beyond those that the sets can hold, together."""


class _Count:
    __slots__ = ("pending", "reported_at", "total")

    def __init__(self) -> None:
        self.total = 0
        self.pending = 0
        self.reported_at = float("-inf")


class Refusals:
    """Turns the kernel's running totals into reports: the first at once, then one a minute."""

    def __init__(self) -> None:
        self._counts: dict[Destination, _Count] = {}

    def update(self, totals: Mapping[Destination, int], now: float) -> list[tuple[Destination, int]]:
        """What to report at `now` (monotonic seconds): destinations and packets since their last report.

        A total below the one before means that the kernel began to count afresh. A destination that
        is no longer in `totals` is forgotten once all of it is reported.
        """
        for destination, total in totals.items():
            count = self._counts.setdefault(destination, _Count())
            count.pending += total - count.total if total >= count.total else total
            count.total = total
        due = [
            destination
            for destination, count in self._counts.items()
            if count.pending and now - count.reported_at >= REPORT_INTERVAL
        ]
        reports = [(destination, self._take(destination, now)) for destination in due]
        for destination in [it for it in self._counts if it not in totals]:
            self._counts[destination].total = 0
            if not self._counts[destination].pending:
                del self._counts[destination]
        return reports

    def rest(self) -> list[tuple[Destination, int]]:
        """All that is not reported yet, for the end."""
        pending = [(destination, count.pending) for destination, count in self._counts.items()]
        return [(destination, packets) for destination, packets in pending if packets]

    def _take(self, destination: Destination, now: float) -> int:
        count = self._counts[destination]
        packets, count.pending, count.reported_at = count.pending, 0, now
        return packets


def read_totals() -> dict[Destination, int]:
    """The kernel's totals. Raises OSError when the table is not there."""
    totals: dict[Destination, int] = {}
    for key, packets in netlink.read_refused(ruleset.TABLE, ruleset.PORT_SET, key_size=12):
        totals[_with_port(socket.AF_INET, key, 4)] = packets
    for key, packets in netlink.read_refused(ruleset.TABLE, ruleset.PORT6_SET, key_size=24):
        totals[_with_port(socket.AF_INET6, key, 16)] = packets
    for key, packets in netlink.read_refused(ruleset.TABLE, ruleset.PLAIN_SET, key_size=8):
        totals[Destination(socket.inet_ntop(socket.AF_INET, key[:4]), _protocol(key[4]), 0)] = packets
    more = netlink.read_counter(ruleset.TABLE, ruleset.OVERFLOW_COUNTER)
    if more:
        totals[ELSEWHERE] = more
    return totals


def _with_port(family: int, key: bytes, size: int) -> Destination:
    port = int.from_bytes(key[size + 4 : size + 6], "big")
    return Destination(socket.inet_ntop(family, key[:size]), _protocol(key[size]), port)


def _protocol(number: int) -> str:
    return _PROTOCOLS.get(number, str(number))
