"""Stays awake after the disguise is on: keeps the rules, reports what they stop, sees address conflicts."""

from __future__ import annotations

import contextlib
import select
import time

from . import netlink, nft, ruleset
from .arp import ArpSocket
from .checks import require_disguise
from .failure import DisguiseFailedError
from .refusals import Refusals, read_totals
from .report import Reporter
from .settings import EGRESS_DENY, Settings

READ_INTERVAL = 2.0
"""Seconds between two looks at what was refused."""
CHECK_INTERVAL = 30.0
"""Seconds between two looks at sysctls, address and MAC."""
CONFLICT_INTERVAL = 60.0
"""Seconds between two reports of an address conflict. In between nobody listens: a flood costs nothing."""


class Containment:
    """The containment table: loaded once, put back whenever it is not what was loaded."""

    def __init__(self, settings: Settings) -> None:
        self._wanted = settings.egress == EGRESS_DENY
        self._rules = ruleset.compile_containment(settings.address) if self._wanted else ruleset.UNCONTAINED
        self._loaded = ""

    def load(self) -> None:
        """Put the rules in force and keep how nft prints them. Raises DisguiseFailedError."""
        nft.load(self._rules)
        self._loaded = nft.listing("inet", ruleset.TABLE)
        if self._wanted and not self._loaded:
            raise DisguiseFailedError("the containment rules are gone as soon as they are loaded")

    def restore(self) -> str:
        """Empty when all is well; otherwise what was wrong, and it is mended. Raises DisguiseFailedError."""
        found = nft.listing("inet", ruleset.TABLE)
        if found == self._loaded:
            return ""
        self.load()
        return "changed" if found else "removed"


class Watch:
    """The loop that this container spends its life in."""

    def __init__(
        self, settings: Settings, containment: Containment, arp: ArpSocket, report: Reporter
    ) -> None:
        self._settings = settings
        self._containment = containment
        self._arp = arp
        self._report = report
        self._refusals = Refusals()
        self._changes = netlink.subscribe()

    def run(self) -> None:
        """Until a signal's handler raises. Raises DisguiseFailedError when the disguise no longer holds."""
        poll = select.poll()
        poll.register(self._changes, select.POLLIN)
        poll.register(self._arp.socket, select.POLLIN)
        check_at = time.monotonic() + CHECK_INTERVAL
        listen_at = float("inf")
        self._keep_rules()  # what happened before the subscription
        while True:
            ready = {fd for fd, _ in poll.poll(READ_INTERVAL * 1000)}
            now = time.monotonic()
            if self._changes.fileno() in ready:
                self._keep_rules()
            if self._arp.socket.fileno() in ready and self._saw_conflict():
                poll.unregister(self._arp.socket)
                listen_at = now + CONFLICT_INTERVAL
            if now >= listen_at:
                self._arp.forget()
                poll.register(self._arp.socket, select.POLLIN)
                listen_at = float("inf")
            self._report_refused(now)
            if now >= check_at:
                check_at = now + CHECK_INTERVAL
                require_disguise(self._settings)

    def finish(self) -> None:
        """Report what has been refused and not yet reported."""
        self._report_refused(time.monotonic())
        for destination, attempts in self._refusals.rest():
            self._report.refused(destination, attempts)

    def _keep_rules(self) -> None:
        netlink.drain(self._changes)
        how = self._containment.restore()
        if how:
            self._report.rules_restored(how)

    def _saw_conflict(self) -> bool:
        mac = self._arp.conflict()
        if mac:
            self._report.address_conflict(self._settings.address, mac)
        return bool(mac)

    def _report_refused(self, now: float) -> None:
        if self._settings.egress != EGRESS_DENY:
            return
        # Without the table there is nothing to read; the announcement that it went is on its way.
        with contextlib.suppress(FileNotFoundError):
            for destination, attempts in self._refusals.update(read_totals(), now):
                self._report.refused(destination, attempts)
