"""How much a consumer does at once, and how patient it is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pace:
    """All times are in seconds."""

    batch: int = 1000
    """Events looked at in one transaction."""

    poll: float = 2.0
    """How often it looks without a wake-up."""

    handler: float = 10.0
    """Longest call of the handler. Its transaction holds back every other reader, so keep it short."""

    tries: int = 5
    """How often a batch is tried, and then each of its events, before that one is a dead letter."""

    first_pause: float = 0.2
    """Before the second try; doubles with each."""

    longest_pause: float = 30.0

    takeover: float = 1.0
    """How often one that waits looks whether the active one is gone."""

    measure: float = 10.0
    """How often the lag is measured."""

    def pause(self, failures: int) -> float:
        """How long to wait after so many failures in a row."""
        return min(self.first_pause * 2.0 ** min(failures - 1, 30), self.longest_pause)
