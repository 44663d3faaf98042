"""Keeps the node's filter as it should be: loads it, notices when it is not ours any more, counts."""

from __future__ import annotations

import json
import logging
from collections import Counter

from decnet_node.agent.filter_rules import REFUSALS, TABLE, removal, ruleset
from decnet_node.agent.lan import Lan
from decnet_node.agent.tool import ToolError, run

log = logging.getLogger(__name__)


class NodeFilter:
    """The table of the node's network namespace. `sweep` is called now and then and after changes.

    The table stays when the agent ends: a restart must not open a gap.
    """

    def __init__(self, *, wanted: bool) -> None:
        self._wanted = wanted
        self._rules = ""
        self._listing = ""
        self._last: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.repairs = 0
        self.state = "off" if not wanted else "not loaded yet"

    @property
    def as_wanted(self) -> bool:
        """Whether the filter is in the state it is to be in."""
        return self.state == ("on" if self._wanted else "off")

    async def sweep(self, lan: Lan | None) -> None:
        """Make the table what it should be for `lan`; None when there is none.

        A failed tool is not raised but becomes the `state`.
        """
        try:
            await self._sweep(lan)
        except ToolError as error:
            reason = f"unavailable: {error}"
            if reason != self.state:
                log.error("packet filter %s", reason)
            self.state = reason
            self._listing = ""

    async def _sweep(self, lan: Lan | None) -> None:
        if not self._wanted:
            await run("nft", "-f", "-", stdin=removal())
            self.state = "off"
            return
        if lan is None:
            # What is loaded stays: the interface may only be away for a moment.
            self.state = "unavailable: no LAN"
            return
        rules = ruleset(lan)
        await self._count()
        if rules == self._rules and self._listing and await self._current() == self._listing:
            self.state = "on"
            return
        if rules == self._rules and self._listing:
            self.repairs += 1
            log.warning("the packet filter was changed by someone else; loading it again")
        await run("nft", "-f", "-", stdin=rules)
        self._last.clear()
        self._rules = rules
        self._listing = await self._current()
        self.state = "on"
        log.info("packet filter on %s loaded", lan.interface)

    async def _current(self) -> str:
        """The table without counters and set members; empty when there is none."""
        try:
            return await run("nft", "-s", "-t", "list", "table", "netdev", TABLE)
        except ToolError as error:
            if "No such file" in str(error):
                return ""
            raise

    async def _count(self) -> None:
        """Add what the table has refused since the last time; its counters begin anew when it is loaded."""
        try:
            listed = json.loads(await run("nft", "-j", "list", "counters", "table", "netdev", TABLE))
        except (ToolError, ValueError):
            return
        now: Counter[str] = Counter()
        for item in listed.get("nftables", []):
            if (counter := item.get("counter")) is not None:
                now[counter["name"].removeprefix("refused_")] = counter["packets"]
        for kind in REFUSALS:
            fresh = now[kind] - self._last[kind]
            self.refused[kind] += fresh if fresh >= 0 else now[kind]
        self._last = now
